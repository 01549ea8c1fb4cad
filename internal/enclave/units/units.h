#include <stdint.h>

// cordon_register_units makes an aggregate of the values of a column on a DuckDB connection: the number of distinct ones, as BIGINT, up to
// cap. Of what is longer than 64 bits, values of one hash count once. It returns 0 where that fails.
int cordon_register_units(void *connection, const char *name, uint64_t cap);

// What another aggregate counts units with, in states of its own. Values are kept in places and one more behind them, all of them 0 at first;
// n values are kept.

// cordon_units_places is how many are needed for up to cap values, cap being 1 or more, without the one behind them.
uint64_t cordon_units_places(uint64_t cap);

// cordon_unit_type is the type that the values of a DuckDB vector are stored in, or 0 where they can be no units.
int cordon_unit_type(void *vector);

// cordon_unit_add keeps the value of a row if it is none of those. n MUST be less than the cap. It returns how many there are then.
uint64_t cordon_unit_add(uint64_t *seen, uint64_t n, uint64_t places, const void *values, int type, uint64_t row);

// cordon_units_merge keeps what another state of the same cap has kept, up to the cap.
uint64_t cordon_units_merge(uint64_t *to, uint64_t n, uint64_t cap, const uint64_t *from, uint64_t places);
