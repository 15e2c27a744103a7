/* endpoints.h - what clients call, by the number and the name that records, rules and conditions have
 * of it.  X(name, number, text).  Append only.  No include guard. */
X(CHAT,            1,  "chatComplete")
X(COMPLETION,      2,  "complete")
X(EMBEDDING,       3,  "embed")
X(MESSAGES,        4,  "messages")            /* Anthropic's */
X(COUNT_TOKENS,    5,  "messagesCountTokens")
X(RESPONSES,       6,  "createModelResponse")
X(GENERATE,        7,  "generateContent")     /* Gemini's */
X(GENERATE_COUNT,  8,  "countTokens")
X(IMAGE,           9,  "imageGenerate")
X(IMAGE_EDIT,      10, "imageEdit")
X(IMAGE_VARIATION, 11, "imageVariation")
X(SPEECH,          12, "createSpeech")
X(TRANSCRIPTION,   13, "createTranscription")
X(TRANSLATION,     14, "createTranslation")
X(MODERATION,      15, "moderate")
X(RERANK,          16, "rerank")
X(FILES,           17, "files")
X(BATCHES,         18, "batches")
X(PROXY,           19, "proxy")               /* any other path of a provider */
