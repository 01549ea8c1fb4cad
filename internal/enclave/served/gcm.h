#ifndef CORDON_GCM_H
#define CORDON_GCM_H
#include <stddef.h>
#include <stdint.h>

// SCHEDULE is how many bytes an expanded key takes, at an address that is a multiple of 64.
#define SCHEDULE 1024

// OVERHEAD is what a box takes beyond its page.
#define OVERHEAD (12 + 16)

// Levels of code. Of GCM_NONE the functions below may not be called.
#define GCM_NONE 0
#define GCM_AVX2 1   // AES of 128 bits at a time
#define GCM_AVX512 2 // of 512

// cordon_gcm_level is the highest that this program and this processor have. Keys are expanded for it.
int cordon_gcm_level(void);

// cordon_gcm_limit takes no higher level from now on, for tests. Nothing may be expanded or open.
void cordon_gcm_limit(int level);

// cordon_gcm_expand expands a key of 32 bytes.
void cordon_gcm_expand(uint8_t *schedule, const uint8_t *key);

// cordon_gcm_open decrypts a box: a nonce of 12 bytes, n bytes of ciphertext, a tag of 16. 0 says that the tag is another; out holds zeros
// then. Nobody else may write to the box, which is read more than once.
int cordon_gcm_open(const uint8_t *schedule, uint8_t *out, const uint8_t *box, int64_t n, const uint8_t *aad, int64_t aad_size);

#endif
