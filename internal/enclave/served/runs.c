#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "runs.h"

// Where all runs are in use, one that was not read from for so many reads of pages may be taken: its reader has left the rest.
#define PATIENCE (16 * RUNS)

static struct run *runs[RUNS]; // NULL: never used
static uint64_t now;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct run *find(uintptr_t file, int64_t n, int64_t off) {
	for (int i = 0; i < RUNS && runs[i]; i++) {
		struct run *r = runs[i];
		if (r->file == file && off >= r->off && n <= r->size && off - r->off <= r->size - n)
			return r;
	}
	return NULL;
}

int runs_read(uintptr_t file, uint8_t *buf, int64_t n, int64_t off) {
	pthread_mutex_lock(&lock);
	struct run *r = find(file, n, off);
	if (!r || !r->ready) {
		pthread_mutex_unlock(&lock);
		return 0;
	}
	r->users++;
	pthread_mutex_unlock(&lock);
	memcpy(buf, r->bytes + (off - r->off), n);
	pthread_mutex_lock(&lock);
	r->users--;
	r->used = ++now;
	if (--r->left <= 0)
		r->file = 0;
	pthread_mutex_unlock(&lock);
	return 1;
}

// A run that is free, new or given up.
static struct run *spare(void) {
	struct run *oldest = NULL;
	for (int i = 0; i < RUNS; i++) {
		struct run *r = runs[i];
		if (!r) {
			return runs[i] = calloc(1, sizeof *r); // its memory is taken when it is written to
		}
		if (r->users)
			continue;
		if (!r->file)
			return r;
		if (now - r->used > PATIENCE && (!oldest || r->used < oldest->used))
			oldest = r;
	}
	return oldest;
}

struct run *runs_begin(uintptr_t file, int64_t off, int64_t size, int pages) {
	pthread_mutex_lock(&lock);
	struct run *r = NULL;
	now++;
	if (size <= RUN && !find(file, 1, off) && (r = spare())) {
		r->file = file, r->off = off, r->size = size;
		r->used = now, r->left = pages - 1, r->users = 1, r->ready = 0;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

void runs_begun(struct run *r, int good) {
	pthread_mutex_lock(&lock);
	r->users--;
	r->ready = good;
	if (!good)
		r->file = 0;
	pthread_mutex_unlock(&lock);
}

void runs_forget(uintptr_t file) {
	pthread_mutex_lock(&lock);
	for (int i = 0; i < RUNS && runs[i]; i++) {
		if (runs[i]->file == file)
			runs[i]->file = 0;
		if (!runs[i]->file && !runs[i]->users) // in use: a page of another file, which is erased with that
			explicit_bzero(runs[i]->bytes, RUN);
	}
	pthread_mutex_unlock(&lock);
}

int64_t runs_kept(void) {
	int64_t n = 0;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < RUNS && runs[i]; i++)
		for (int j = 0; j < RUN; j++)
			n += runs[i]->bytes[j] != 0;
	pthread_mutex_unlock(&lock);
	return n;
}
