//go:build linux && amd64 && ipsecmb

#include <string.h>

#include <intel-ipsec-mb.h>

#include "gcm.h"

// Parts of Intel's Multi-Buffer Crypto library, which its manager chooses for processors that have what is asked for below. Some are not in
// its header, and named here so that nothing else of the library becomes part of the program; its version is pinned.
void aes_gcm_precomp_256_vaes_avx512(struct gcm_key_data *);
void aes_gcm_dec_256_vaes_avx512(const struct gcm_key_data *, struct gcm_context_data *, uint8_t *out, const uint8_t *in, uint64_t n,
	const uint8_t *iv, const uint8_t *aad, uint64_t aad_size, uint8_t *tag, uint64_t tag_size);
void aes_keyexp_256_enc_avx2(const void *key, void *schedule);

_Static_assert(sizeof(struct gcm_key_data) <= SCHEDULE, "an expanded key");

static const struct {
	void (*precompute)(struct gcm_key_data *);
	void (*decrypt)(const struct gcm_key_data *, struct gcm_context_data *, uint8_t *out, const uint8_t *in, uint64_t n,
		const uint8_t *iv, const uint8_t *aad, uint64_t aad_size, uint8_t *tag, uint64_t tag_size);
} codes[] = {
	[GCM_AVX2] = {aes_gcm_precomp_256_avx_gen4, aes_gcm_dec_256_avx_gen4},
	[GCM_AVX512] = {aes_gcm_precomp_256_vaes_avx512, aes_gcm_dec_256_vaes_avx512},
};

static int most = GCM_AVX512;

void cordon_gcm_limit(int level) { most = level; }

#define HAS __builtin_cpu_supports

int cordon_gcm_level(void) {
	__builtin_cpu_init();
	int level = GCM_NONE;
	if (HAS("aes") && HAS("pclmul") && HAS("avx2") && HAS("bmi") && HAS("bmi2"))
		level = GCM_AVX2;
	if (level && HAS("avx512f") && HAS("avx512dq") && HAS("avx512bw") && HAS("avx512vl") && HAS("vaes") && HAS("vpclmulqdq") && HAS("gfni"))
		level = GCM_AVX512;
	return level < most ? level : most;
}

void cordon_gcm_expand(uint8_t *schedule, const uint8_t *key) {
	struct gcm_key_data *k = (struct gcm_key_data *)schedule;
	aes_keyexp_256_enc_avx2(key, k);
	codes[cordon_gcm_level()].precompute(k);
}

int cordon_gcm_open(const uint8_t *schedule, uint8_t *out, const uint8_t *box, int64_t n, const uint8_t *aad, int64_t aad_size) {
	struct gcm_context_data c;
	const uint8_t *want = box + 12 + n;
	uint8_t tag[16], differs = 0;
	for (size_t i = 0; i < sizeof tag; i++)
		tag[i] = ~want[i]; // nothing is sound that was not computed
	codes[cordon_gcm_level()].decrypt((const struct gcm_key_data *)schedule, &c, out, box + 12, n, box, aad, aad_size, tag, sizeof tag);
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
