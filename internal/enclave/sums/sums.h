#include <stdint.h>

// Limits of one aggregate.
enum { cordon_sums_columns = 8, cordon_sums_terms = 8 };

// cordon_sums_column is an argument: INTEGER where precision is 0 and BIGINT where it is -1, else DECIMAL(precision, scale).
struct cordon_sums_column {
	int32_t precision, scale;
	int32_t checked; // a value outside lo and hi makes the state bad
	int64_t lo, hi;  // whole numbers of the type's last place; hi is lo - 1 or more
};

// cordon_sums_term is what is added up: a column, or the product of two where b is not -1.
struct cordon_sums_term {
	int32_t a, b;
	int32_t absolute; // its absolute values are added up as well
	int32_t counted;  // the rows in which it is not NULL are counted
};

// cordon_register_sums makes an aggregate on a DuckDB connection. It gives a STRUCT: bad BOOLEAN, rows BIGINT, units BIGINT where
// units is not 0 (distinct values of one more argument, of any type that a unit has, counted up to that), then for each term n{i} BIGINT
// (rows in which it is not NULL) where it is counted, s{i} HUGEINT, and a{i} HUGEINT where absolute values are added up. It returns 0
// where that fails, or a term of values within bounds would not fit 64 bits. One that is portable does without what only some processors
// have.
int cordon_register_sums(void *connection, const char *name, const struct cordon_sums_column *columns, int32_t n_columns,
	const struct cordon_sums_term *terms, int32_t n_terms, int32_t units, int32_t portable);
