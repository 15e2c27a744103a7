EXTRA_DIST += bench/README.md bench/run bench/measure.py bench/load.lua bench/nginx.conf.in
