# A sample: the package puts it in place, make install never overwrites a configuration.
dist_pkgdata_DATA += etc/aigated.conf etc/tenants.example.yaml
