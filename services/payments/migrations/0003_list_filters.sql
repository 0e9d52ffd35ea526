-- One index behind each filter of the list, in the order of the list where the filter is an equality.
CREATE INDEX payments_by_method ON payments (method, created_at DESC, transaction_id DESC);
CREATE INDEX payments_by_currency ON payments (currency, created_at DESC, transaction_id DESC);
CREATE INDEX payments_by_amount ON payments (currency, amount_minor);
