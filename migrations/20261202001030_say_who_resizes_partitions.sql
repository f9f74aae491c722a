set role tga_owner;

comment on function log.resize_partitions(bigint) is
    'chooses how many events a partition holds, before the first event; for tests, which fill partitions';

reset role;
