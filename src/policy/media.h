/* media.h - what the bytes of a request do not bound: pictures, sounds and documents given by reference
 * or compressed, state that the provider keeps, tools that it runs.  By protocol; chat completions
 * are estimate.c's own.  Pure over raw JSON; what cannot be read counts as the most there is. */
#ifndef AG_POLICY_MEDIA_H
#define AG_POLICY_MEDIA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define AG_MEDIA_IMAGE_TOKENS   49152u
#define AG_MEDIA_UNKNOWN_TOKENS 1048576u

uint64_t ag_media_messages(struct ag_str messages); /* Anthropic's messages */
uint64_t ag_media_items(struct ag_str input);       /* input of OpenAI's responses */
uint64_t ag_media_contents(struct ag_str contents); /* Gemini's contents */

/* Whether one of the tools is run by the provider. */
bool ag_media_tools_anthropic(struct ag_str tools);
bool ag_media_tools_responses(struct ag_str tools);
bool ag_media_tools_gemini(struct ag_str tools);

#endif
