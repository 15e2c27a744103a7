/* parse.h - what an incremental parser says about the bytes it was shown. */
#ifndef AG_HTTP_PARSE_H
#define AG_HTTP_PARSE_H

enum ag_parse {
	AG_PARSE_MORE, /* nothing wrong so far: come back with more bytes */
	AG_PARSE_DONE,
	AG_PARSE_BAD,
};

#endif
