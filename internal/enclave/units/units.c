#include "units.h"

#include <stdlib.h>
#include <string.h>

// What is used of DuckDB's C API, as duckdb.h declares it. The types are opaque here.
typedef uint64_t idx_t;
typedef struct opaque *handle;
enum { type_bigint = 5, type_ubigint = 9, state_success = 0 };

extern handle duckdb_create_aggregate_function(void);
extern void duckdb_destroy_aggregate_function(handle *function);
extern void duckdb_aggregate_function_set_name(handle function, const char *name);
extern void duckdb_aggregate_function_add_parameter(handle function, handle type);
extern void duckdb_aggregate_function_set_return_type(handle function, handle type);
extern void duckdb_aggregate_function_set_functions(handle function, idx_t (*size)(handle info), void (*init)(handle info, void *state),
	void (*update)(handle info, handle input, void **states), void (*combine)(handle info, void **source, void **target, idx_t count),
	void (*finalize)(handle info, void **source, handle result, idx_t count, idx_t offset));
extern void duckdb_aggregate_function_set_extra_info(handle function, void *extra, void (*destroy)(void *));
extern void *duckdb_aggregate_function_get_extra_info(handle info);
extern int duckdb_register_aggregate_function(handle connection, handle function);
extern handle duckdb_create_logical_type(int type);
extern void duckdb_destroy_logical_type(handle *type);
extern handle duckdb_data_chunk_get_vector(handle chunk, idx_t column);
extern idx_t duckdb_data_chunk_get_size(handle chunk);
extern void *duckdb_vector_get_data(handle vector);
extern uint64_t *duckdb_vector_get_validity(handle vector);

// A state holds the distinct values that it has met, up to the cap. After that it holds no more and looks at no value.
struct state {
	uint64_t n;
	uint64_t seen[];
};

static uint64_t cap_of(handle info) { return (uint64_t)(uintptr_t)duckdb_aggregate_function_get_extra_info(info); }

static idx_t size(handle info) { return sizeof(struct state) + cap_of(info) * sizeof(uint64_t); }

static void init(handle info, void *state) {
	(void)info;
	((struct state *)state)->n = 0;
}

static void add(struct state *s, uint64_t cap, uint64_t v) {
	for (uint64_t i = 0; i < s->n; i++) {
		if (s->seen[i] == v) {
			return;
		}
	}
	if (s->n < cap) {
		s->seen[s->n++] = v;
	}
}

static void update(handle info, handle input, void **states) {
	const uint64_t cap = cap_of(info);
	handle vector = duckdb_data_chunk_get_vector(input, 0);
	const idx_t count = duckdb_data_chunk_get_size(input);
	const uint64_t *values = duckdb_vector_get_data(vector);
	const uint64_t *valid = duckdb_vector_get_validity(vector);
	for (idx_t i = 0; i < count; i++) {
		struct state *s = states[i];
		if (s->n < cap && (!valid || valid[i / 64] >> i % 64 & 1)) {
			add(s, cap, values[i]);
		}
	}
}

static void combine(handle info, void **source, void **target, idx_t count) {
	const uint64_t cap = cap_of(info);
	for (idx_t i = 0; i < count; i++) {
		const struct state *from = source[i];
		struct state *to = target[i];
		for (uint64_t j = 0; j < from->n && to->n < cap; j++) {
			add(to, cap, from->seen[j]);
		}
	}
}

static void finalize(handle info, void **source, handle result, idx_t count, idx_t offset) {
	(void)info;
	int64_t *out = duckdb_vector_get_data(result);
	for (idx_t i = 0; i < count; i++) {
		out[offset + i] = (int64_t)((struct state *)source[i])->n;
	}
}

int cordon_register_units(void *connection, const char *name, uint64_t cap) {
	handle function = duckdb_create_aggregate_function();
	handle in = duckdb_create_logical_type(type_ubigint), out = duckdb_create_logical_type(type_bigint);
	duckdb_aggregate_function_set_name(function, name);
	duckdb_aggregate_function_add_parameter(function, in);
	duckdb_aggregate_function_set_return_type(function, out);
	duckdb_aggregate_function_set_functions(function, size, init, update, combine, finalize);
	duckdb_aggregate_function_set_extra_info(function, (void *)(uintptr_t)cap, NULL);
	const int state = duckdb_register_aggregate_function(connection, function);
	duckdb_destroy_logical_type(&in);
	duckdb_destroy_logical_type(&out);
	duckdb_destroy_aggregate_function(&function);
	return state == state_success;
}
