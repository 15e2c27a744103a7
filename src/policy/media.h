/* media.h - what the bytes of a request do not bound: pictures, sounds and documents given by reference
 * or compressed, state that the provider keeps.  By protocol; chat completions
 * are estimate.c's own.  Pure over raw JSON; what cannot be read counts as the most there is. */
#ifndef AG_POLICY_MEDIA_H
#define AG_POLICY_MEDIA_H

#include <stdint.h>

#include "base/str.h"

#define AG_MEDIA_IMAGE_TOKENS   49152u
#define AG_MEDIA_UNKNOWN_TOKENS 1048576u

uint64_t ag_media_messages(struct ag_str messages); /* Anthropic's messages */
uint64_t ag_media_items(struct ag_str input);       /* input of OpenAI's responses */
uint64_t ag_media_contents(struct ag_str contents); /* Gemini's contents */

#endif
