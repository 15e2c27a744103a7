/* histograms.h - one row is the whole truth of a histogram: shared memory, /metrics, aigatestat, the manual.
 * H(name, brief, text): times in microseconds.  No include guard: included many times. */
H(request_us, "From the last byte of a request to the last of its answer", "Requests that were sent to a provider.")
H(first_byte_us, "From a request sent to the provider's first byte", "")
H(overhead_us, "From the last byte of a request to its admission", "What the gateway itself took: parsing, rules, meters.")
