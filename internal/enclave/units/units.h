#include <stdint.h>

// cordon_register_units makes an aggregate of the values of a column on a DuckDB connection: the number of distinct ones, as BIGINT, up to
// cap. Of what is longer than 64 bits, values of one hash count once. It returns 0 where that fails.
int cordon_register_units(void *connection, const char *name, uint64_t cap);
