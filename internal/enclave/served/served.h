#ifndef CORDON_SERVED_H
#define CORDON_SERVED_H
#include <stdint.h>

// cordon_serve notes that reads of a file, by device and inode, go to cordonServedRead with this handle. 0 says that there are
// too many, or that the file is there already.
int cordon_serve(uint64_t dev, uint64_t ino, uintptr_t handle);

// cordon_unserve forgets it. When it returns, no read with the handle is under way.
void cordon_unserve(uint64_t dev, uint64_t ino);

#endif
