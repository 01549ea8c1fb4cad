//go:build linux && amd64 && ipsecmb

#include <string.h>

#include <intel-ipsec-mb.h>

#include "gcm.h"

// Parts of Intel's Multi-Buffer Crypto library, which its manager chooses for a processor that has all of cordon_gcm_here. They are not in
// its header, and named here so that nothing else of the library becomes part of the program; its version is pinned.
void aes_gcm_precomp_256_vaes_avx512(struct gcm_key_data *);
void aes_gcm_dec_256_vaes_avx512(const struct gcm_key_data *, struct gcm_context_data *, uint8_t *out, const uint8_t *in, uint64_t n,
	const uint8_t *iv, const uint8_t *aad, uint64_t aad_size, uint8_t *tag, uint64_t tag_size);
void aes_keyexp_256_enc_avx512(const void *key, void *schedule);

_Static_assert(sizeof(struct gcm_key_data) <= SCHEDULE, "an expanded key");

int cordon_gcm_here(void) {
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("vaes") && __builtin_cpu_supports("vpclmulqdq") &&
		__builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("gfni");
}

void cordon_gcm_expand(uint8_t *schedule, const uint8_t *key) {
	struct gcm_key_data *k = (struct gcm_key_data *)schedule;
	aes_keyexp_256_enc_avx512(key, k);
	aes_gcm_precomp_256_vaes_avx512(k);
}

int cordon_gcm_open(const uint8_t *schedule, uint8_t *out, const uint8_t *box, int64_t n, const uint8_t *aad, int64_t aad_size) {
	struct gcm_context_data c;
	const uint8_t *want = box + 12 + n;
	uint8_t tag[16], differs = 0;
	for (size_t i = 0; i < sizeof tag; i++)
		tag[i] = ~want[i]; // nothing is sound that was not computed
	aes_gcm_dec_256_vaes_avx512((const struct gcm_key_data *)schedule, &c, out, box + 12, n, box, aad, aad_size, tag, sizeof tag);
	for (size_t i = 0; i < sizeof tag; i++)
		differs |= tag[i] ^ want[i];
	explicit_bzero(&c, sizeof c);
	explicit_bzero(tag, sizeof tag);
	if (differs) {
		explicit_bzero(out, n);
		return 0;
	}
	return 1;
}
