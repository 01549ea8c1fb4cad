#include <stdint.h>

// cordon_register_units makes an aggregate of UBIGINT values on a DuckDB connection: the number of distinct ones, as BIGINT, up to
// cap. It returns 0 where that fails.
int cordon_register_units(void *connection, const char *name, uint64_t cap);
