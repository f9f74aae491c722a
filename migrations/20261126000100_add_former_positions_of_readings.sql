set role tga_owner;

alter table log.reading_keys add column former bigint[];
comment on column log.reading_keys.former is 'by field, in the order of the bits of carries: the event of a former reading of this key that has it, if the last received has not and the field lasts until another value comes';

reset role;
