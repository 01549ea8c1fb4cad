#ifndef CORDON_GCM_H
#define CORDON_GCM_H
#include <stddef.h>
#include <stdint.h>

// SCHEDULE is how many bytes an expanded key takes, at an address that is a multiple of 64.
#define SCHEDULE 1024

// OVERHEAD is what a box takes beyond its page.
#define OVERHEAD (12 + 16)

// cordon_gcm_here says whether this program and this processor have what the functions below need.
int cordon_gcm_here(void);

// cordon_gcm_expand expands a key of 32 bytes.
void cordon_gcm_expand(uint8_t *schedule, const uint8_t *key);

// cordon_gcm_open decrypts a box: a nonce of 12 bytes, n bytes of ciphertext, a tag of 16. 0 says that the tag is another; out holds zeros
// then. Nobody else may write to the box, which is read more than once.
int cordon_gcm_open(const uint8_t *schedule, uint8_t *out, const uint8_t *box, int64_t n, const uint8_t *aad, int64_t aad_size);

#endif
