#include "units.h"

#include <string.h>

// What is used of DuckDB's C API, as duckdb.h declares it. The types are opaque here.
typedef uint64_t idx_t;
typedef struct opaque *handle;
enum {
	type_boolean = 1, type_smallint = 3, type_integer = 4, type_bigint = 5, type_double = 11, type_timestamp = 12, type_date = 13, type_hugeint = 16, type_varchar = 17,
	type_decimal = 19, type_any = 34, state_success = 0
};

extern handle duckdb_vector_get_column_type(handle vector);
extern int duckdb_get_type_id(handle type);
extern int duckdb_decimal_internal_type(handle type);
extern void duckdb_destroy_logical_type(handle *type);
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
extern void duckdb_aggregate_function_set_error(handle info, const char *error);
extern handle duckdb_create_logical_type(int type);
extern handle duckdb_data_chunk_get_vector(handle chunk, idx_t column);
extern idx_t duckdb_data_chunk_get_size(handle chunk);
extern void *duckdb_vector_get_data(handle vector);
extern uint64_t *duckdb_vector_get_validity(handle vector);

// text is DuckDB's string: up to 12 bytes are in it, longer ones are elsewhere.
union text {
	struct {
		uint32_t length;
		char prefix[4];
		const char *at;
	} elsewhere;
	struct {
		uint32_t length;
		char bytes[12];
	} within;
};

// hash_of mixes eight bytes at a time.
static uint64_t hash_of(const char *p, uint32_t length) {
	const uint64_t m = 0x880355F21E6D1965u;
	uint64_t h = 0x9E3779B97F4A7C15u ^ length * m;
	for (uint64_t at = 0; at < length; at += 8) {
		uint64_t v = 0;
		memcpy(&v, p + at, length - at < 8 ? length - at : 8);
		v ^= v >> 23;
		v *= 0x2127599BF4325C37u;
		v ^= v >> 47;
		h = (h ^ v) * m;
	}
	h ^= h >> 23;
	h *= 0x2127599BF4325C37u;
	return h ^ h >> 47;
}

static uint64_t hash_of_text(const union text *t) {
	return hash_of(t->within.length <= sizeof t->within.bytes ? t->within.bytes : t->elsewhere.at, t->within.length);
}

int cordon_unit_type(void *vector) {
	handle type = duckdb_vector_get_column_type(vector);
	int id = duckdb_get_type_id(type);
	if (id == type_decimal) {
		id = duckdb_decimal_internal_type(type);
	}
	duckdb_destroy_logical_type(&type);
	switch (id) {
	case type_boolean: case type_smallint: case type_integer: case type_date: case type_bigint: case type_timestamp: case type_double: case type_hugeint: case type_varchar:
		return id;
	}
	return 0;
}

// value_of a row. Equal doubles are one, whatever their bits.
static uint64_t value_of(const void *values, int id, idx_t row) {
	switch (id) {
	case type_boolean:
		return ((const uint8_t *)values)[row];
	case type_smallint:
		return (uint64_t)((const int16_t *)values)[row];
	case type_integer:
	case type_date:
		return (uint64_t)((const int32_t *)values)[row];
	case type_bigint:
	case type_timestamp:
		return ((const uint64_t *)values)[row];
	case type_double: {
		double v = ((const double *)values)[row];
		uint64_t bits = 0;
		if (v != v) {
			return UINT64_MAX;
		}
		v += 0.0;
		memcpy(&bits, &v, sizeof bits);
		return bits;
	}
	case type_hugeint:
		return hash_of((const char *)values + row * 16, 16);
	}
	return hash_of_text((const union text *)values + row);
}

// Values have places by a hash, and the next ones that are free: looking through all that are kept would take, where a group has a few
// less than the cap, that much time for each of its rows. A place that holds 0 is free; whether the
// value 0 is there stands in one more behind them.
uint64_t cordon_units_places(uint64_t cap) {
	uint64_t places = 2;
	while (places < cap) {
		places *= 2;
	}
	return places;
}

// add looks for a value and keeps it. There is a free place, as fewer than the cap are kept.
static uint64_t add(uint64_t *seen, uint64_t n, uint64_t places, uint64_t v) {
	if (!v) {
		n += !seen[places];
		seen[places] = 1;
		return n;
	}
	uint64_t at = (v * 0x9E3779B97F4A7C15u >> 32) & (places - 1);
	while (seen[at] != v) {
		if (!seen[at]) {
			seen[at] = v;
			return n + 1;
		}
		at = (at + 1) & (places - 1);
	}
	return n;
}

uint64_t cordon_unit_add(uint64_t *seen, uint64_t n, uint64_t places, const void *values, int type, uint64_t row) {
	return add(seen, n, places, value_of(values, type, row));
}

uint64_t cordon_units_merge(uint64_t *to, uint64_t n, uint64_t cap, const uint64_t *from, uint64_t places) {
	if (from[places] && n < cap) {
		n = add(to, n, places, 0);
	}
	for (uint64_t i = 0; i < places && n < cap; i++) {
		if (from[i]) {
			n = add(to, n, places, from[i]);
		}
	}
	return n;
}

// A state holds the distinct values that it has met, up to the cap: numbers of 64 bits as they are, hashes of what is longer. After
// that it holds no more and looks at no value.
struct state {
	uint64_t n;
	uint64_t seen[];
};

static uint64_t cap_of(handle info) { return (uint64_t)(uintptr_t)duckdb_aggregate_function_get_extra_info(info); }

static idx_t size(handle info) { return sizeof(struct state) + (cordon_units_places(cap_of(info)) + 1) * sizeof(uint64_t); }

static void init(handle info, void *state) { memset(state, 0, size(info)); }

static void update(handle info, handle input, void **states) {
	const uint64_t cap = cap_of(info), places = cordon_units_places(cap);
	handle vector = duckdb_data_chunk_get_vector(input, 0);
	const idx_t count = duckdb_data_chunk_get_size(input);
	const void *values = duckdb_vector_get_data(vector);
	const uint64_t *valid = duckdb_vector_get_validity(vector);
	const int type = cordon_unit_type(vector);
	if (!type) {
		duckdb_aggregate_function_set_error(info, "units: a type that is none of a unit");
		return;
	}
	for (idx_t i = 0; i < count; i++) {
		struct state *s = states[i];
		if (s->n < cap && (!valid || valid[i / 64] >> i % 64 & 1)) {
			s->n = add(s->seen, s->n, places, value_of(values, type, i));
		}
	}
}

static void combine(handle info, void **source, void **target, idx_t count) {
	const uint64_t cap = cap_of(info), places = cordon_units_places(cap);
	for (idx_t i = 0; i < count; i++) {
		const struct state *from = source[i];
		struct state *to = target[i];
		to->n = cordon_units_merge(to->seen, to->n, cap, from->seen, places);
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
	handle in = duckdb_create_logical_type(type_any), out = duckdb_create_logical_type(type_bigint);
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
