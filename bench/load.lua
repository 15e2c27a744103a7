-- load.lua - what wrk sends, and one line of figures for bench/run.
--
-- From the environment: BENCH_KEY, BENCH_MODEL, BENCH_BYTES (of the request body),
-- BENCH_STREAM (1: ask for a stream).  The request is built once; wrk repeats it as it is.

local function body_of(model, bytes, is_stream)
	local head = '{"model":"' .. model .. '",'
	    .. (is_stream and '"stream":true,' or '')
	    .. '"temperature":0.7,"messages":[{"role":"system","content":"You are terse."},'
	    .. '{"role":"user","content":"'
	local tail = '"}]}'
	local text = "The quick brown fox jumps over the lazy dog and asks what it costs. "
	local room = bytes - #head - #tail

	return head .. string.rep(text, math.ceil(room / #text)):sub(1, room) .. tail
end

wrk.method = "POST"
wrk.body = body_of(os.getenv("BENCH_MODEL"), tonumber(os.getenv("BENCH_BYTES")),
    os.getenv("BENCH_STREAM") == "1")
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer " .. os.getenv("BENCH_KEY")

-- wrk counts as errors.status what is 400 and above; the script refuses redirects elsewhere.
function done(summary, latency, requests)
	local e = summary.errors

	io.write(string.format("FIGURES %d %d %d %.1f %.1f\n", summary.requests, summary.duration,
	    e.connect + e.read + e.write + e.timeout + e.status,
	    latency:percentile(50), latency:percentile(99)))
end
