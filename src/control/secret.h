/* secret.h - new API keys. */
#ifndef AG_CONTROL_SECRET_H
#define AG_CONTROL_SECRET_H

#include "base/attr.h"
#include "base/hash.h"
#include "base/mask.h"
#include "base/str.h"

#define AG_NEW_KEY_LEN 47  /* "ag-", 43 characters of 62, NUL */

struct ag_new_key {
	char text[AG_NEW_KEY_LEN];
	char mask[AG_MASK_LEN];
	uint8_t hash[AG_SHA256_LEN];
};

/* The key these 256 bits spell; bits is used up.  The caller wipes it. */
void ag_new_key_of(uint8_t bits[AG_SHA256_LEN], struct ag_new_key *out);
int ag_random_bits(uint8_t out[AG_SHA256_LEN]) AG_MUST_CHECK; /* 256 of them; -errno */
/* 256 random bits.  The caller wipes it.  -errno. */
int ag_new_key_make(struct ag_new_key *out) AG_MUST_CHECK;

#endif
