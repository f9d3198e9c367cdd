-- Offsets that were passed more than once, and the records a log that went back in time is recognised by.
alter table positions
  add column rewound bigint not null default 0,
  add column landmarks text not null default '';
