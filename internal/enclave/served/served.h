#ifndef CORDON_SERVED_H
#define CORDON_SERVED_H
#include <stddef.h>
#include <stdint.h>

// A part of a file, which begins at off. Without bytes it is a page: asked for when it is read, with others of its group. before is how
// long all pages are that lie before it.
struct cordon_part {
	int64_t off, size;
	const uint8_t *bytes;
	int64_t group, before;
	// A page with a box is decrypted here, without Go: see cordon_gcm_open. *read becomes 1 when its tag was compared.
	const uint8_t *key, *box, *aad;
	int64_t aad_size;
	uint32_t *read;
};

// A file by device and inode: parts in order, none overlapping, all of them within size. What lies between parts is zero. What is not
// known is asked by handle of cordonServedRead, or of cordonServedPages.
struct cordon_group;
struct cordon_file {
	uint64_t dev, ino;
	int64_t size;
	uintptr_t handle;
	const struct cordon_part *parts;
	size_t count;
	uint32_t *broken; // 1: a page did not authenticate; nothing is decrypted here any more. NULL where no part has a box
	// Groups, in order, are areas of the file that become known later.
	struct cordon_group *groups;
	size_t group_count;
};

// A group is an area of a file, answered as a file of its own, by offsets of the whole. Its file may be used, and is not changed any more,
// once ready is 1; before that cordonServedAwait is asked, which makes it so or fails.
struct cordon_group {
	int64_t off;
	uint32_t ready;
	struct cordon_file file; // its size is where the area ends
};

// cordon_ready makes a group ready.
void cordon_ready(struct cordon_group *g);

// cordon_serve notes that reads of a file are answered from here; its parts must stay until cordon_unserve. 0 says that there are too
// many, or that the file is there already.
int cordon_serve(const struct cordon_file *f);

// cordon_unserve forgets it. When it returns, no read of it is under way, and nothing that was read of it is kept.
void cordon_unserve(uint64_t dev, uint64_t ino);

#endif
