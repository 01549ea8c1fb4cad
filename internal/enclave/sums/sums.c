#include "sums.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What is used of package units, as its units.h declares it.
extern uint64_t cordon_units_places(uint64_t cap);
extern int cordon_unit_type(void *vector);
extern uint64_t cordon_unit_add(uint64_t *seen, uint64_t n, uint64_t places, const void *values, int type, uint64_t row);
extern uint64_t cordon_units_merge(uint64_t *to, uint64_t n, uint64_t cap, const uint64_t *from, uint64_t places);

// What is used of DuckDB's C API, as duckdb.h declares it. The types are opaque here.
typedef uint64_t idx_t;
typedef struct opaque *handle;
enum { type_boolean = 1, type_integer = 4, type_bigint = 5, type_hugeint = 16, type_any = 34, state_success = 0 };


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
extern void duckdb_aggregate_function_set_error(handle info, const char *error);
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
	int32_t columns, terms, totals;
	uint64_t units;  // are counted up to; 0: they are not
	uint64_t places; // for them, and one more behind these
	int narrow; // a block's sum of each term fits 64 bits
	int wide;   // the processor compares four states at once, and may
	struct cordon_sums_column column[cordon_sums_columns];
	struct cordon_sums_term term[cordon_sums_terms];
	int32_t sum[cordon_sums_terms], absolute[cordon_sums_terms], nulls[cordon_sums_terms]; // which total; 0 is none of these
};

// DuckDB aligns states to 8 bytes. Totals are in two's complement: what is added is a whole number of 64 bits with its sign.
typedef unsigned __int128 wide __attribute__((aligned(8)));

struct state {
	uint64_t bad;
	uint64_t units; // distinct ones that have been met, up to the cap: they are kept behind the totals
	wide total[];   // the first is of rows
};

static const struct config *config_of(handle info) { return duckdb_aggregate_function_get_extra_info(info); }

static idx_t size(handle info) {
	const struct config *g = config_of(info);
	return sizeof(struct state) + (idx_t)g->totals * sizeof(wide) + (g->units > 0 ? g->places + 1 : 0) * sizeof(uint64_t);
}

static uint64_t *seen_of(const struct config *g, struct state *s) { return (uint64_t *)(s->total + g->totals); }

static void init(handle info, void *state) { memset(state, 0, size(info)); }

// Rows are taken in blocks, so that what is computed of them stays in the nearest caches. A block of few states is added up
// beside them first: in lanes, since an addition to a place in memory waits for the one before.
enum { block = 256, lanes = 4, slots = 16, hashes = 256, most_totals = 1 + 3 * cordon_sums_terms };

struct rows {
	int32_t n;
	const int64_t *column[cordon_sums_columns];
	const uint64_t *valid[cordon_sums_columns]; // NULL: all are
	const void *unit;                           // of all rows of the chunk, as units are
	const uint64_t *has_unit;                   //
	int unit_type;                              //
	idx_t first;                                // of these rows, in the masks of valid ones
	void **states;
};

static inline uint64_t is_valid(const uint64_t *mask, idx_t row) { return !mask || mask[row / 64] >> row % 64 & 1; }

// outside has its highest bit set where a value is outside. Within bounds that are less than 2^63 apart, neither difference has it.
// Of a value outside, one is negative; or that goes round past 64 bits, and then the other has the bit, as hi is lo - 1 or more.
static uint64_t outside(const struct rows *r, int32_t c, int64_t lo, int64_t hi) {
	const int64_t *v = r->column[c];
	const uint64_t *valid = r->valid[c];
	const uint64_t from = (uint64_t)lo, to = (uint64_t)hi;
	uint64_t out = 0;
	if ((__int128)hi - lo > INT64_MAX) {
		for (int32_t i = 0; i < r->n; i++) {
			out |= -((uint64_t)(v[i] < lo || v[i] > hi) & is_valid(valid, r->first + (idx_t)i));
		}
	} else if (valid) {
		for (int32_t i = 0; i < r->n; i++) {
			out |= (((uint64_t)v[i] - from) | (to - (uint64_t)v[i])) & -is_valid(valid, r->first + (idx_t)i);
		}
	} else {
		for (int32_t i = 0; i < r->n; i++) {
			out |= ((uint64_t)v[i] - from) | (to - (uint64_t)v[i]);
		}
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

// values gives a term in all rows, 0 where it is NULL: within bounds its product fits 64 bits, else it is whatever it is, as the
// state is bad.
static const int64_t *values(const struct rows *r, const struct cordon_sums_term *t, int64_t *buffer, int64_t *nulls) {
	const int64_t *a = r->column[t->a], *b = t->b < 0 ? NULL : r->column[t->b];
	const uint64_t *in_a = r->valid[t->a], *in_b = b ? r->valid[t->b] : NULL;
	if (!in_a && !in_b && !b) {
		return a;
	}
	for (int32_t i = 0; i < r->n; i++) {
		buffer[i] = b ? (int64_t)((uint64_t)a[i] * (uint64_t)b[i]) : a[i];
	}
	for (int32_t i = 0; (in_a || in_b) && i < r->n; i++) {
		const uint64_t there = is_valid(in_a, r->first + (idx_t)i) & is_valid(in_b, r->first + (idx_t)i);
		buffer[i] &= -(int64_t)there;
		nulls[i] = (int64_t)(there ^ 1);
	}
	return buffer;
}

struct addition {
	int32_t total;
	const int64_t *value; // in each row
};

static void add_to_one(const struct rows *r, int32_t n, const struct addition *add, int narrow, struct state *s) {
	s->total[0] += (wide)r->n;
	for (int32_t k = 0; k < n; k++) {
		const int64_t *v = add[k].value;
		if (narrow) {
			uint64_t sum = 0;
			for (int32_t i = 0; i < r->n; i++) {
				sum += (uint64_t)v[i];
			}
			s->total[add[k].total] += (wide)(__int128)(int64_t)sum;
			continue;
		}
		wide sum = 0;
		for (int32_t i = 0; i < r->n; i++) {
			sum += (wide)(__int128)v[i];
		}
		s->total[add[k].total] += sum;
	}
}

static void add_to_each(const struct rows *r, int32_t n, const struct addition *add) {
	for (int32_t i = 0; i < r->n; i++) {
		struct state *s = r->states[i];
		s->total[0]++;
		for (int32_t k = 0; k < n; k++) {
			s->total[add[k].total] += (wide)(__int128)add[k].value[i];
		}
	}
}

// met are the states that rows have been met of, each with a number.
struct met {
	int32_t n;
	struct state *state[slots];
	struct state *key[hashes]; // NULL: none
	uint8_t number[hashes];
};

static void forget(struct met *m) {
	m->n = 0;
	memset(m->key, 0, sizeof m->key);
}

// number gives each row of a block the number of its state. It fails where there are too many.
static int number(struct met *m, const struct rows *r, uint8_t *slot) {
	for (int32_t i = 0; i < r->n; i++) {
		struct state *p = r->states[i];
		uint32_t h = (uint32_t)((uint64_t)(uintptr_t)p * 0x9E3779B97F4A7C15u >> 56);
		for (; m->key[h] != p; h = (h + 1) % hashes) {
			if (!m->key[h]) {
				if (m->n == slots) {
					return 0;
				}
				m->key[h] = p;
				m->number[h] = (uint8_t)m->n;
				m->state[m->n++] = p;
				break;
			}
		}
		slot[i] = m->number[h];
	}
	return 1;
}

// numbered is number, which begins anew where the states of other blocks leave no room.
static int numbered(struct met *m, const struct rows *r, uint8_t *slot) {
	if (number(m, r, slot)) {
		return 1;
	}
	const int others = m->n > 0;
	forget(m);
	if (others && number(m, r, slot)) {
		return 1;
	}
	forget(m);
	return 0;
}

static int all_same(const uint8_t *slot, int32_t n) {
	uint8_t differ = 0;
	for (int32_t i = 0; i < n; i++) {
		differ |= slot[i] ^ slot[0];
	}
	return differ == 0;
}

// add_to_few adds up by state first. Whatever values are out of bounds, the sums beside go round without harm: the state is bad.
static void add_to_few(const struct rows *r, int32_t n, const struct addition *add, const struct met *m, const uint8_t *slot) {
	uint64_t sum[lanes][slots] = {0};
	int32_t i = 0;
	for (; i + lanes <= r->n; i += lanes) {
		for (int32_t l = 0; l < lanes; l++) {
			sum[l][slot[i + l]]++;
		}
	}
	for (; i < r->n; i++) {
		sum[0][slot[i]]++;
	}
	for (int32_t s = 0; s < m->n; s++) {
		m->state[s]->total[0] += sum[0][s] + sum[1][s] + sum[2][s] + sum[3][s];
	}
	for (int32_t k = 0; k < n; k++) {
		const int64_t *v = add[k].value;
		memset(sum, 0, sizeof sum);
		for (i = 0; i + lanes <= r->n; i += lanes) {
			for (int32_t l = 0; l < lanes; l++) {
				sum[l][slot[i + l]] += (uint64_t)v[i + l];
			}
		}
		for (; i < r->n; i++) {
			sum[0][slot[i]] += (uint64_t)v[i];
		}
		for (int32_t s = 0; s < m->n; s++) {
			m->state[s]->total[add[k].total] += (wide)(__int128)(int64_t)(sum[0][s] + sum[1][s] + sum[2][s] + sum[3][s]);
		}
	}
}

// Rows of few states are added up by comparing each with all of them, four rows at once where the processor can: no row waits for another's
// addition, and none has to be looked up. The first state gets what is left.
enum { several = 4 };

struct few {
	uintptr_t state[several]; // 1 where there are fewer: an address that none has
	uint64_t sum[several];
};

#ifdef __x86_64__
static int can_compare_four(void) { return __builtin_cpu_supports("avx2"); }

// count_few fails where a row is of another state.
__attribute__((target("avx2"))) static int count_few(const struct rows *r, struct few *f) {
	const uintptr_t s0 = f->state[0], s1 = f->state[1], s2 = f->state[2], s3 = f->state[3];
	uint64_t n1 = 0, n2 = 0, n3 = 0, others = 0;
	for (int32_t i = 0; i < r->n; i++) {
		const uintptr_t p = (uintptr_t)r->states[i];
		const uint64_t is1 = -(uint64_t)(p == s1), is2 = -(uint64_t)(p == s2), is3 = -(uint64_t)(p == s3);
		others |= (p ^ s0) & ~(is1 | is2 | is3);
		n1 -= is1;
		n2 -= is2;
		n3 -= is3;
	}
	f->sum[0] = (uint64_t)r->n - n1 - n2 - n3;
	f->sum[1] = n1;
	f->sum[2] = n2;
	f->sum[3] = n3;
	return others == 0;
}

__attribute__((target("avx2"))) static void sum_few(const struct rows *r, const int64_t *value, struct few *f) {
	const uintptr_t s1 = f->state[1], s2 = f->state[2], s3 = f->state[3];
	uint64_t all = 0, sum1 = 0, sum2 = 0, sum3 = 0;
	for (int32_t i = 0; i < r->n; i++) {
		const uintptr_t p = (uintptr_t)r->states[i];
		const uint64_t v = (uint64_t)value[i];
		all += v;
		sum1 += v & -(uint64_t)(p == s1);
		sum2 += v & -(uint64_t)(p == s2);
		sum3 += v & -(uint64_t)(p == s3);
	}
	f->sum[0] = all - sum1 - sum2 - sum3;
	f->sum[1] = sum1;
	f->sum[2] = sum2;
	f->sum[3] = sum3;
}
#else
static int can_compare_four(void) { return 0; }
static int count_few(const struct rows *r, struct few *f) { return 0; }
static void sum_few(const struct rows *r, const int64_t *value, struct few *f) {}
#endif

// are_few counts the rows of a block if all are of few states that have been met.
static int are_few(const struct config *g, const struct met *m, const struct rows *r, struct few *f) {
	if (!g->wide || !g->narrow || m->n < 1 || m->n > several) {
		return 0;
	}
	for (int32_t s = 0; s < several; s++) {
		f->state[s] = s < m->n ? (uintptr_t)m->state[s] : 1;
	}
	return count_few(r, f);
}

static void add_of_few(const struct rows *r, int32_t n, const struct addition *add, const struct met *m, struct few *f) {
	for (int32_t s = 0; s < m->n; s++) {
		m->state[s]->total[0] += f->sum[s];
	}
	for (int32_t k = 0; k < n; k++) {
		sum_few(r, add[k].value, f);
		for (int32_t s = 0; s < m->n; s++) {
			m->state[s]->total[add[k].total] += (wide)(__int128)(int64_t)f->sum[s];
		}
	}
}

// add_units looks at units of the states that have too few.
static void add_units(const struct config *g, const struct rows *r) {
	for (int32_t i = 0; i < r->n; i++) {
		struct state *s = r->states[i];
		const idx_t row = r->first + (idx_t)i;
		if (s->units < g->units && is_valid(r->has_unit, row)) {
			s->units = cordon_unit_add(seen_of(g, s), s->units, g->places, r->unit, r->unit_type, row);
		}
	}
}

static int any_wants(const struct config *g, const struct met *m) {
	int any = 0;
	for (int32_t s = 0; s < m->n; s++) {
		any |= m->state[s]->units < g->units;
	}
	return any;
}

static void add(const struct config *g, const struct rows *r, struct met *m) {
	int64_t products[cordon_sums_terms][block], magnitudes[cordon_sums_terms][block], nulls[cordon_sums_terms][block];
	struct addition list[most_totals];
	uint8_t slot[block];
	int32_t n = 0;
	for (int32_t k = 0; k < g->terms; k++) {
		const struct cordon_sums_term *t = &g->term[k];
		const int64_t *v = values(r, t, products[k], nulls[k]);
		list[n++] = (struct addition){g->sum[k], v};
		if (t->absolute) {
			for (int32_t i = 0; i < r->n; i++) {
				magnitudes[k][i] = v[i] < 0 ? (int64_t)-(uint64_t)v[i] : v[i];
			}
			list[n++] = (struct addition){g->absolute[k], magnitudes[k]};
		}
		if (t->counted && (r->valid[t->a] || (t->b >= 0 && r->valid[t->b]))) {
			list[n++] = (struct addition){g->nulls[k], nulls[k]};
		}
	}
	struct few f;
	const int compared = are_few(g, m, r, &f), few = compared || numbered(m, r, slot);
	if (g->units > 0 && (!few || any_wants(g, m))) {
		add_units(g, r);
	}
	if (compared) {
		add_of_few(r, n, list, m, &f);
	} else if (!few) {
		add_to_each(r, n, list);
	} else if (all_same(slot, r->n)) {
		add_to_one(r, n, list, g->narrow, r->states[0]);
	} else if (g->narrow) {
		add_to_few(r, n, list, m, slot);
	} else {
		add_to_each(r, n, list);
	}
}

static void update(handle info, handle input, void **states) {
	const struct config *g = config_of(info);
	const idx_t count = duckdb_data_chunk_get_size(input);
	const void *data[cordon_sums_columns];
	int64_t buffers[cordon_sums_columns][block];
	struct rows r = {0};
	struct met m;
	uint64_t bad = 0;
	forget(&m);
	for (int32_t c = 0; c < g->columns; c++) {
		handle vector = duckdb_data_chunk_get_vector(input, (idx_t)c);
		data[c] = duckdb_vector_get_data(vector);
		r.valid[c] = duckdb_vector_get_validity(vector);
	}
	if (g->units > 0) {
		handle vector = duckdb_data_chunk_get_vector(input, (idx_t)g->columns);
		r.unit = duckdb_vector_get_data(vector);
		r.has_unit = duckdb_vector_get_validity(vector);
		r.unit_type = cordon_unit_type(vector);
		if (!r.unit_type) {
			duckdb_aggregate_function_set_error(info, "sums: a type that is none of a unit");
			return;
		}
	}
	for (r.first = 0; r.first < count; r.first += block) {
		r.n = count - r.first < block ? (int32_t)(count - r.first) : block;
		r.states = states + r.first;
		for (int32_t c = 0; c < g->columns; c++) {
			r.column[c] = widened(data[c], g->column[c].precision, r.first, r.n, buffers[c]);
			if (g->column[c].checked) {
				bad |= outside(&r, c, g->column[c].lo, g->column[c].hi);
			}
		}
		add(g, &r, &m);
	}
	if (count > 0) { // one bad row anywhere refuses the source: which state says so does not matter
		((struct state *)states[0])->bad |= bad >> 63;
	}
}

static void combine(handle info, void **source, void **target, idx_t count) {
	const struct config *g = config_of(info);
	for (idx_t i = 0; i < count; i++) {
		struct state *from = source[i], *to = target[i];
		to->bad |= from->bad;
		to->units = cordon_units_merge(seen_of(g, to), to->units, g->units, seen_of(g, from), g->places);
		for (int32_t k = 0; k < g->totals; k++) {
			to->total[k] += from->total[k];
		}
	}
}

static void *field(handle result, idx_t *at) { return duckdb_vector_get_data(duckdb_struct_vector_get_child(result, (*at)++)); }

static void finalize(handle info, void **source, handle result, idx_t count, idx_t offset) {
	const struct config *g = config_of(info);
	idx_t at = 0;
	uint8_t *bad = field(result, &at);
	uint64_t *rows = field(result, &at);
	for (idx_t i = 0; i < count; i++) {
		const struct state *s = source[i];
		bad[offset + i] = s->bad != 0;
		rows[offset + i] = (uint64_t)s->total[0];
	}
	if (g->units > 0) {
		uint64_t *units = field(result, &at);
		for (idx_t i = 0; i < count; i++) {
			units[offset + i] = ((const struct state *)source[i])->units;
		}
	}
	for (int32_t k = 0; k < g->terms; k++) {
		uint64_t *n = g->nulls[k] ? field(result, &at) : NULL;
		wide *sum = field(result, &at), *absolute = g->absolute[k] ? field(result, &at) : NULL;
		for (idx_t i = 0; i < count; i++) {
			const struct state *s = source[i];
			sum[offset + i] = s->total[g->sum[k]];
			if (n) {
				n[offset + i] = (uint64_t)(s->total[0] - s->total[g->nulls[k]]);
			}
			if (absolute) {
				absolute[offset + i] = s->total[g->absolute[k]];
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
	enum { most = 3 + 3 * cordon_sums_terms };
	handle types[most];
	char text[most][16];
	const char *names[most];
	idx_t n = 0;
	snprintf(text[n], sizeof text[n], "bad");
	types[n++] = duckdb_create_logical_type(type_boolean);
	snprintf(text[n], sizeof text[n], "rows");
	types[n++] = duckdb_create_logical_type(type_bigint);
	if (g->units > 0) {
		snprintf(text[n], sizeof text[n], "units");
		types[n++] = duckdb_create_logical_type(type_bigint);
	}
	for (int32_t k = 0; k < g->terms; k++) {
		if (g->term[k].counted) {
			snprintf(text[n], sizeof text[n], "n%d", k);
			types[n++] = duckdb_create_logical_type(type_bigint);
		}
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

static unsigned __int128 most_of(const struct cordon_sums_column *c) {
	const unsigned __int128 lo = c->lo < 0 ? -(__int128)c->lo : c->lo, hi = c->hi < 0 ? -(__int128)c->hi : c->hi;
	return lo > hi ? lo : hi;
}

// prepare looks at what was asked for and gives each sum its place. A term may be past 64 bits neither way.
static int prepare(struct config *g) {
	for (int32_t c = 0; c < g->columns; c++) {
		const struct cordon_sums_column *x = &g->column[c];
		if (x->precision < -1 || x->precision > 18 || x->scale < 0 || (x->precision > 0 && x->scale > x->precision) || (__int128)x->hi < (__int128)x->lo - 1) {
			return 0;
		}
	}
	g->totals = 1;
	g->narrow = 1;
	for (int32_t k = 0; k < g->terms; k++) {
		const struct cordon_sums_term *t = &g->term[k];
		if (t->a < 0 || t->a >= g->columns || t->b < -1 || t->b >= g->columns) {
			return 0;
		}
		const unsigned __int128 most = most_of(&g->column[t->a]) * (t->b < 0 ? 1 : most_of(&g->column[t->b]));
		if (most > INT64_MAX) {
			return 0;
		}
		g->narrow &= most <= INT64_MAX / block;
		g->sum[k] = g->totals++;
		g->absolute[k] = t->absolute ? g->totals++ : 0;
		g->nulls[k] = t->counted ? g->totals++ : 0;
	}
	return 1;
}

int cordon_register_sums(void *connection, const char *name, const struct cordon_sums_column *columns, int32_t n_columns,
	const struct cordon_sums_term *terms, int32_t n_terms, int32_t units, int32_t portable) {
	if (units < 0 || n_columns < 1 || n_columns > cordon_sums_columns || n_terms < 0 || n_terms > cordon_sums_terms) {
		return 0;
	}
	struct config *g = calloc(1, sizeof *g);
	if (!g) {
		return 0;
	}
	g->columns = n_columns;
	g->terms = n_terms;
	g->units = (uint64_t)units;
	g->wide = !portable && can_compare_four();
	g->places = units > 0 ? cordon_units_places(g->units) : 0;
	memcpy(g->column, columns, (size_t)n_columns * sizeof *columns);
	if (n_terms > 0) {
		memcpy(g->term, terms, (size_t)n_terms * sizeof *terms);
	}
	if (!prepare(g)) {
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
	if (units > 0) {
		handle in = duckdb_create_logical_type(type_any);
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
