#ifndef CORDON_RUNS_H
#define CORDON_RUNS_H
#include <stddef.h>
#include <stdint.h>

// Runs are pages of a file that were asked for at once, one behind the other, and are kept until they have been handed out: a call
// from DuckDB's threads into Go costs as much as decrypting tens of kilobytes, since it wakes the Go scheduler's own thread.

// RUN is how many bytes a run has at most, RUNS how many runs there are.
#define RUN (512 << 10)
#define RUNS 64

// A run's pages begin at off, counted in the file's pages alone.
struct run {
	uintptr_t file; // 0: free
	int64_t off, size;
	int left;       // pages that were not handed out
	int users;
	int ready;
	uint64_t used;  // when
	uint8_t bytes[RUN];
};

// runs_read copies a page of n bytes out of a run that has it. 0 says that there is none.
int runs_read(uintptr_t file, uint8_t *buf, int64_t n, int64_t off);

// runs_begin finds room for a run, which nobody else has until runs_begun says whether it holds what it should; the first of its pages
// counts as handed out. NULL says that there is no room, or that somebody else is at it.
struct run *runs_begin(uintptr_t file, int64_t off, int64_t size, int pages);
void runs_begun(struct run *r, int good);

// runs_forget erases what is kept of a file, and what is left of files in runs that are free. Nobody may be reading the file.
void runs_forget(uintptr_t file);

// runs_kept is how many bytes of runs are not zero.
int64_t runs_kept(void);

#endif
