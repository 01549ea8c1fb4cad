#include "sums.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What is used of DuckDB's C API, as duckdb.h declares it. The types are opaque here.
typedef uint64_t idx_t;
typedef struct opaque *handle;
enum { type_boolean = 1, type_integer = 4, type_bigint = 5, type_hugeint = 16, state_success = 0 };

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
extern handle duckdb_create_decimal_type(uint8_t width, uint8_t scale);
extern handle duckdb_create_struct_type(handle *types, const char **names, idx_t count);
extern void duckdb_destroy_logical_type(handle *type);
extern handle duckdb_data_chunk_get_vector(handle chunk, idx_t column);
extern idx_t duckdb_data_chunk_get_size(handle chunk);
extern handle duckdb_struct_vector_get_child(handle vector, idx_t index);
extern void *duckdb_vector_get_data(handle vector);
extern uint64_t *duckdb_vector_get_validity(handle vector);

struct config {
	int32_t columns, terms;
	struct cordon_sums_column column[cordon_sums_columns];
	struct cordon_sums_term term[cordon_sums_terms];
};

// DuckDB aligns states to 8 bytes.
typedef unsigned __int128 wide __attribute__((aligned(8)));

struct cell {
	uint64_t nulls;
	wide sum, absolute; // two's complement: what is added is a whole number of 64 bits with its sign
};

struct state {
	uint64_t bad, rows;
	struct cell cell[];
};

static const struct config *config_of(handle info) { return duckdb_aggregate_function_get_extra_info(info); }

static idx_t size(handle info) { return sizeof(struct state) + (idx_t)config_of(info)->terms * sizeof(struct cell); }

static void init(handle info, void *state) { memset(state, 0, size(info)); }

// Rows are taken in blocks, so that what is computed of them stays in the nearest cache.
enum { block = 256 };

struct rows {
	int32_t n;
	const int64_t *column[cordon_sums_columns];
	const uint64_t *valid[cordon_sums_columns]; // NULL: all are
	idx_t first;                                // of these rows, in the masks of valid ones
	void **states;
};

static inline uint64_t is_valid(const uint64_t *mask, idx_t row) { return !mask || mask[row / 64] >> row % 64 & 1; }

// outside has its highest bit set where a value is outside. One of both differences keeps its sign whatever the value is: they
// can't both go past 64 bits, as hi is lo - 1 or more.
static uint64_t outside(const struct rows *r, int32_t c, uint64_t lo, uint64_t hi) {
	const int64_t *v = r->column[c];
	uint64_t out = 0;
	if (r->valid[c]) {
		for (int32_t i = 0; i < r->n; i++) {
			const uint64_t x = (uint64_t)v[i];
			out |= ((x - lo) | (hi - x)) & -is_valid(r->valid[c], r->first + (idx_t)i);
		}
		return out;
	}
	for (int32_t i = 0; i < r->n; i++) {
		const uint64_t x = (uint64_t)v[i];
		out |= (x - lo) | (hi - x);
	}
	return out;
}

// widened gives rows of a column as 64 bits each: where they are, or in the buffer.
static const int64_t *widened(const void *data, int32_t precision, idx_t first, int32_t n, int64_t *buffer) {
	if (precision == -1 || precision > 9) {
		return (const int64_t *)data + first;
	}
	if (precision > 0 && precision <= 4) {
		const int16_t *v = (const int16_t *)data + first;
		for (int32_t i = 0; i < n; i++) {
			buffer[i] = v[i];
		}
		return buffer;
	}
	const int32_t *v = (const int32_t *)data + first;
	for (int32_t i = 0; i < n; i++) {
		buffer[i] = v[i];
	}
	return buffer;
}

// values gives a term in all rows: within bounds its product fits 64 bits, else whatever it is, as the state is bad.
static const int64_t *values(const struct rows *r, const struct cordon_sums_term *t, int64_t *buffer) {
	const int64_t *a = r->column[t->a];
	if (t->b < 0) {
		return a;
	}
	const int64_t *b = r->column[t->b];
	for (int32_t i = 0; i < r->n; i++) {
		buffer[i] = (int64_t)((uint64_t)a[i] * (uint64_t)b[i]);
	}
	return buffer;
}

static inline wide magnitude(int64_t v) { return v < 0 ? -(uint64_t)v : (uint64_t)v; }

// add_some adds a term that has NULLs.
static void add_some(const struct rows *r, const struct cordon_sums_term *t, int32_t at, const int64_t *v) {
	const uint64_t *a = r->valid[t->a], *b = t->b < 0 ? NULL : r->valid[t->b];
	for (int32_t i = 0; i < r->n; i++) {
		struct cell *c = &((struct state *)r->states[i])->cell[at];
		if (!is_valid(a, r->first + (idx_t)i) || !is_valid(b, r->first + (idx_t)i)) {
			c->nulls++;
			continue;
		}
		c->sum += (wide)(__int128)v[i];
		if (t->absolute) {
			c->absolute += magnitude(v[i]);
		}
	}
}

// add_to_one adds a term to one state.
static void add_to_one(const struct rows *r, const struct cordon_sums_term *t, int32_t at, const int64_t *v) {
	struct cell *c = &((struct state *)r->states[0])->cell[at];
	wide sum = 0, absolute = 0;
	for (int32_t i = 0; i < r->n; i++) {
		sum += (wide)(__int128)v[i];
	}
	for (int32_t i = 0; t->absolute && i < r->n; i++) {
		absolute += magnitude(v[i]);
	}
	c->sum += sum;
	c->absolute += absolute;
}

// add_all adds terms without NULLs, row by row: sums of one state wait for each other, those of several terms don't.
static void add_all(const struct rows *r, int32_t n, const int32_t *at, const int64_t *const *v) {
	for (int32_t i = 0; i < r->n; i++) {
		struct state *s = r->states[i];
		for (int32_t k = 0; k < n; k++) {
			s->cell[at[k]].sum += (wide)(__int128)v[k][i];
		}
	}
}

static void add(const struct config *g, const struct rows *r) {
	int64_t products[cordon_sums_terms][block];
	const int64_t *v[cordon_sums_terms];
	int32_t at[cordon_sums_terms], n = 0;
	int one = 1;
	for (int32_t i = 1; i < r->n; i++) {
		one &= r->states[i] == r->states[0];
	}
	if (one) {
		((struct state *)r->states[0])->rows += (uint64_t)r->n;
	} else {
		for (int32_t i = 0; i < r->n; i++) {
			((struct state *)r->states[i])->rows++;
		}
	}
	for (int32_t k = 0; k < g->terms; k++) {
		const struct cordon_sums_term *t = &g->term[k];
		const int64_t *x = values(r, t, products[k]);
		if (r->valid[t->a] || t->b >= 0 && r->valid[t->b]) {
			add_some(r, t, k, x);
		} else if (one) {
			add_to_one(r, t, k, x);
		} else {
			for (int32_t i = 0; t->absolute && i < r->n; i++) {
				((struct state *)r->states[i])->cell[k].absolute += magnitude(x[i]);
			}
			at[n] = k;
			v[n++] = x;
		}
	}
	if (n > 0) {
		add_all(r, n, at, v);
	}
}

static void update(handle info, handle input, void **states) {
	const struct config *g = config_of(info);
	const idx_t count = duckdb_data_chunk_get_size(input);
	const void *data[cordon_sums_columns];
	int64_t buffers[cordon_sums_columns][block];
	struct rows r;
	uint64_t bad = 0;
	for (int32_t c = 0; c < g->columns; c++) {
		handle vector = duckdb_data_chunk_get_vector(input, (idx_t)c);
		data[c] = duckdb_vector_get_data(vector);
		r.valid[c] = duckdb_vector_get_validity(vector);
	}
	for (r.first = 0; r.first < count; r.first += block) {
		r.n = count - r.first < block ? (int32_t)(count - r.first) : block;
		r.states = states + r.first;
		for (int32_t c = 0; c < g->columns; c++) {
			r.column[c] = widened(data[c], g->column[c].precision, r.first, r.n, buffers[c]);
			if (g->column[c].checked) {
				bad |= outside(&r, c, (uint64_t)g->column[c].lo, (uint64_t)g->column[c].hi);
			}
		}
		add(g, &r);
	}
	if (count > 0) { // one bad row anywhere refuses the source: which state says so does not matter
		((struct state *)states[0])->bad |= bad >> 63;
	}
}

static void combine(handle info, void **source, void **target, idx_t count) {
	const struct config *g = config_of(info);
	for (idx_t i = 0; i < count; i++) {
		const struct state *from = source[i];
		struct state *to = target[i];
		to->bad |= from->bad;
		to->rows += from->rows;
		for (int32_t k = 0; k < g->terms; k++) {
			to->cell[k].nulls += from->cell[k].nulls;
			to->cell[k].sum += from->cell[k].sum;
			to->cell[k].absolute += from->cell[k].absolute;
		}
	}
}

static void finalize(handle info, void **source, handle result, idx_t count, idx_t offset) {
	const struct config *g = config_of(info);
	idx_t field = 0;
	uint8_t *bad = duckdb_vector_get_data(duckdb_struct_vector_get_child(result, field++));
	for (idx_t i = 0; i < count; i++) {
		bad[offset + i] = ((struct state *)source[i])->bad != 0;
	}
	for (int32_t k = 0; k < g->terms; k++) {
		uint64_t *n = duckdb_vector_get_data(duckdb_struct_vector_get_child(result, field++));
		wide *sum = duckdb_vector_get_data(duckdb_struct_vector_get_child(result, field++));
		wide *absolute = g->term[k].absolute ? duckdb_vector_get_data(duckdb_struct_vector_get_child(result, field++)) : NULL;
		for (idx_t i = 0; i < count; i++) {
			const struct state *s = source[i];
			n[offset + i] = s->rows - s->cell[k].nulls;
			sum[offset + i] = s->cell[k].sum;
			if (absolute) {
				absolute[offset + i] = s->cell[k].absolute;
			}
		}
	}
}

static handle parameter(const struct cordon_sums_column *c) {
	if (c->precision > 0) {
		return duckdb_create_decimal_type((uint8_t)c->precision, (uint8_t)c->scale);
	}
	return duckdb_create_logical_type(c->precision == 0 ? type_integer : type_bigint);
}

// result_type gives the STRUCT.
static handle result_type(const struct config *g) {
	enum { most = 1 + 3 * cordon_sums_terms };
	handle types[most];
	char text[most][16];
	const char *names[most];
	idx_t n = 0;
	snprintf(text[n], sizeof text[n], "bad");
	types[n++] = duckdb_create_logical_type(type_boolean);
	for (int32_t k = 0; k < g->terms; k++) {
		snprintf(text[n], sizeof text[n], "n%d", k);
		types[n++] = duckdb_create_logical_type(type_bigint);
		snprintf(text[n], sizeof text[n], "s%d", k);
		types[n++] = duckdb_create_logical_type(type_hugeint);
		if (g->term[k].absolute) {
			snprintf(text[n], sizeof text[n], "a%d", k);
			types[n++] = duckdb_create_logical_type(type_hugeint);
		}
	}
	for (idx_t i = 0; i < n; i++) {
		names[i] = text[i];
	}
	handle out = duckdb_create_struct_type(types, names, n);
	for (idx_t i = 0; i < n; i++) {
		duckdb_destroy_logical_type(&types[i]);
	}
	return out;
}

static int formed(const struct config *g) {
	for (int32_t c = 0; c < g->columns; c++) {
		const struct cordon_sums_column *x = &g->column[c];
		if (x->precision < -1 || x->precision > 18 || x->scale < 0 || x->precision > 0 && x->scale > x->precision || x->lo > x->hi && x->lo - 1 != x->hi) {
			return 0;
		}
	}
	for (int32_t k = 0; k < g->terms; k++) {
		const struct cordon_sums_term *t = &g->term[k];
		if (t->a < 0 || t->a >= g->columns || t->b < -1 || t->b >= g->columns) {
			return 0;
		}
	}
	return 1;
}

int cordon_register_sums(void *connection, const char *name, const struct cordon_sums_column *columns, int32_t n_columns,
	const struct cordon_sums_term *terms, int32_t n_terms) {
	if (n_columns < 1 || n_columns > cordon_sums_columns || n_terms < 0 || n_terms > cordon_sums_terms) {
		return 0;
	}
	struct config *g = calloc(1, sizeof *g);
	if (!g) {
		return 0;
	}
	g->columns = n_columns;
	g->terms = n_terms;
	memcpy(g->column, columns, (size_t)n_columns * sizeof *columns);
	if (n_terms > 0) {
		memcpy(g->term, terms, (size_t)n_terms * sizeof *terms);
	}
	if (!formed(g)) {
		free(g);
		return 0;
	}
	handle function = duckdb_create_aggregate_function(), out = result_type(g);
	duckdb_aggregate_function_set_extra_info(function, g, free);
	duckdb_aggregate_function_set_name(function, name);
	for (int32_t c = 0; c < n_columns; c++) {
		handle in = parameter(&columns[c]);
		duckdb_aggregate_function_add_parameter(function, in);
		duckdb_destroy_logical_type(&in);
	}
	duckdb_aggregate_function_set_return_type(function, out);
	duckdb_aggregate_function_set_functions(function, size, init, update, combine, finalize);
	const int state = duckdb_register_aggregate_function(connection, function);
	duckdb_destroy_logical_type(&out);
	duckdb_destroy_aggregate_function(&function);
	return state == state_success;
}
