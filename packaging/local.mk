# Installed by the packages, which know where each distribution wants them.
EXTRA_DIST += \
	packaging/grafana/aigated.json \
	packaging/sysusers/aigated.conf \
	packaging/systemd/aigated.service \
	packaging/tmpfiles/aigated.conf
