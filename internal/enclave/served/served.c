#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "_cgo_export.h"
#include "gcm.h"
#include "runs.h"
#include "served.h"

#define MOST 1024

static struct cordon_file files[MOST];
static atomic_int count;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

static int find(uint64_t dev, uint64_t ino) {
	int n = atomic_load(&count);
	for (int i = 0; i < n; i++)
		if (files[i].ino == ino && files[i].dev == dev)
			return i;
	return -1;
}

int cordon_serve(const struct cordon_file *f) {
	int done = 0;
	pthread_rwlock_wrlock(&lock);
	int n = atomic_load(&count);
	if (n < MOST && find(f->dev, f->ino) < 0) {
		files[n] = *f;
		atomic_store(&count, n + 1);
		done = 1;
	}
	pthread_rwlock_unlock(&lock);
	return done;
}

void cordon_unserve(uint64_t dev, uint64_t ino) {
	pthread_rwlock_wrlock(&lock);
	int i = find(dev, ino);
	if (i >= 0) {
		runs_forget(files[i].handle);
		for (size_t g = 0; g < files[i].group_count; g++)
			if (files[i].groups[g].ready)
				runs_forget(files[i].groups[g].file.handle);
		int last = atomic_load(&count) - 1;
		files[i] = files[last];
		atomic_store(&count, last);
	}
	pthread_rwlock_unlock(&lock);
}

// The first part that begins behind off.
static size_t behind(const struct cordon_file *f, int64_t off) {
	size_t low = 0, high = f->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (f->parts[mid].off <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

// Reads n bytes where all of them are known, and says whether they were. Otherwise buf holds some of them, or none.
static int known(const struct cordon_file *f, uint8_t *buf, int64_t n, int64_t off) {
	size_t next = behind(f, off);
	for (; n > 0; next++) {
		int64_t until = (next < f->count ? f->parts[next].off : f->size) - off; // the next part
		int64_t all = until < n ? until : n, part = 0;
		if (next > 0) {
			const struct cordon_part *p = &f->parts[next - 1];
			int64_t from = off - p->off;
			if (from < p->size) {
				if (!p->bytes)
					return 0;
				part = p->size - from < all ? p->size - from : all;
				memcpy(buf, p->bytes + from, part);
			}
		}
		memset(buf + part, 0, all - part);
		buf += all, off += all, n -= all;
	}
	return 1;
}

// Decrypts a page here, where that can be done. Else, and where its tag is another, Go is asked, which says what is wrong.
static int opened(const struct cordon_file *f, const struct cordon_part *p, uint8_t *buf) {
	if (!p->box || __atomic_load_n(f->broken, __ATOMIC_RELAXED))
		return 0;
	if (!cordon_gcm_open(p->key, buf, p->box, p->size, p->aad, p->aad_size)) {
		__atomic_store_n(f->broken, 1, __ATOMIC_RELAXED);
		return 0;
	}
	__atomic_store_n(p->read, 1, __ATOMIC_RELEASE);
	return 1;
}

// A read of a page, alone or with the pages that follow in its group: they are kept until they are read.
static int64_t page(const struct cordon_file *f, size_t i, uint8_t *buf) {
	const struct cordon_part *p = &f->parts[i];
	int64_t size = 0;
	size_t end = i;
	int pages = 0;
	for (; end < f->count && f->parts[end].group == p->group; end++) {
		if (f->parts[end].bytes)
			continue;
		if (f->parts[end].size > RUN - size)
			break;
		size += f->parts[end].size, pages++;
	}
	struct run *r = pages > 1 ? runs_begin(f->handle, p->before, size, pages) : NULL;
	if (!r)
		return cordonServedRead(f->handle, buf, p->size, p->off);
	int64_t got = cordonServedPages(f->handle, i, end - i, r->bytes, size);
	if (got == size)
		memcpy(buf, r->bytes, p->size);
	runs_begun(r, got == size);
	return got == size ? p->size : -1;
}

void cordon_ready(struct cordon_group *g) { __atomic_store_n(&g->ready, 1, __ATOMIC_RELEASE); }

// The last group that begins at off or before it; NULL where there is none.
static struct cordon_group *group(const struct cordon_file *f, int64_t off) {
	size_t low = 0, high = f->group_count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (f->groups[mid].off <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? &f->groups[low - 1] : NULL;
}

static int64_t answer(const struct cordon_file *f, uint8_t *buf, size_t n, int64_t off) {
	struct cordon_group *g = group(f, off), *last = group(f, off + (int64_t)(n ? n - 1 : 0));
	if (g != last) // of several groups at once: nobody reads so, and who does waits longer
		return cordonServedRead(f->handle, buf, n, off);
	if (g && off < g->file.size) {
		if ((int64_t)n > g->file.size - off)
			return cordonServedRead(f->handle, buf, n, off);
		if (!__atomic_load_n(&g->ready, __ATOMIC_ACQUIRE) && cordonServedAwait(f->handle, g - f->groups) != 0)
			return -1;
		f = &g->file;
	}
	if (f->count == 0 || n > INT32_MAX || off < 0 || off > f->size || (int64_t)n > f->size - off)
		return cordonServedRead(f->handle, buf, n, off);
	if (known(f, buf, n, off))
		return n;
	size_t i = behind(f, off);
	if (i > 0) {
		const struct cordon_part *p = &f->parts[i - 1];
		if (p->off == off && p->size == (int64_t)n && !p->bytes)
			return opened(f, p, buf) || runs_read(f->handle, buf, n, p->before) ? (int64_t)n : page(f, i - 1, buf);
	}
	return cordonServedRead(f->handle, buf, n, off);
}

ssize_t __real_pread(int fd, void *buf, size_t n, off_t off);

// What the linker calls instead of pread. The lock is held while a file is read, so that nobody takes it away meanwhile.
ssize_t __wrap_pread(int fd, void *buf, size_t n, off_t off) {
	struct stat st;
	if (atomic_load(&count) == 0)
		return __real_pread(fd, buf, n, off);
	// Not by the C library, which may ask with a call that the enclave has no right to.
	if (syscall(SYS_fstat, fd, &st) != 0)
		return -1;
	pthread_rwlock_rdlock(&lock);
	int i = find((uint64_t)st.st_dev, (uint64_t)st.st_ino);
	if (i < 0) {
		pthread_rwlock_unlock(&lock);
		return __real_pread(fd, buf, n, off);
	}
	int64_t got = answer(&files[i], buf, n, off);
	pthread_rwlock_unlock(&lock);
	if (got < 0) {
		errno = EIO;
		return -1;
	}
	return got;
}
