CREATE TABLE IF NOT EXISTS {prefix}mepr_transactions (
  id bigint(20) NOT NULL auto_increment,
  amount decimal(16,2) NOT NULL,
  total decimal(16,2) DEFAULT 0,
  tax_amount decimal(16,2) DEFAULT 0,
  tax_reversal_amount decimal(16,2) DEFAULT 0,
  tax_rate decimal(6,3) DEFAULT 0,
  tax_desc varchar(255) DEFAULT '',
  tax_compound int(1) DEFAULT 0,
  tax_shipping int(1) DEFAULT 1,
  tax_class varchar(255) DEFAULT 'standard',
  user_id bigint(20) NOT NULL,
  product_id bigint(20) NOT NULL,
  coupon_id bigint(20) DEFAULT NULL,
  trans_num varchar(255) DEFAULT NULL,
  status varchar(255) DEFAULT 'pending',
  txn_type varchar(255) DEFAULT 'payment',
  response text DEFAULT NULL,
  gateway varchar(255) DEFAULT NULL,
  subscription_id bigint(20) DEFAULT NULL,
  prorated tinyint(1) DEFAULT 0,
  created_at datetime NOT NULL,
  expires_at datetime DEFAULT NULL,
  corporate_account_id bigint(20) DEFAULT NULL,
  parent_transaction_id bigint(20) DEFAULT NULL,
  order_id bigint(20) DEFAULT 0,
  refunded_at datetime DEFAULT NULL,
  PRIMARY KEY (id),
  KEY user_id (user_id), KEY product_id (product_id), KEY subscription_id (subscription_id), KEY created_at (created_at),
  KEY expires_at (expires_at), KEY trans_num (trans_num(191)), KEY status (status(191))
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;

CREATE TABLE IF NOT EXISTS {prefix}mepr_subscriptions (
  id bigint(20) NOT NULL auto_increment,
  user_id bigint(20) NOT NULL,
  product_id bigint(20) NOT NULL,
  coupon_id bigint(20) DEFAULT NULL,
  subscr_id varchar(255) DEFAULT NULL,
  price decimal(16,2) NOT NULL,
  total decimal(16,2) DEFAULT 0,
  tax_amount decimal(16,2) DEFAULT 0,
  tax_reversal_amount decimal(16,2) DEFAULT 0,
  tax_rate decimal(6,3) DEFAULT 0,
  tax_desc varchar(255) DEFAULT '',
  tax_compound int(1) DEFAULT 0,
  tax_shipping int(1) DEFAULT 1,
  tax_class varchar(255) DEFAULT 'standard',
  gateway varchar(255) DEFAULT NULL,
  response text DEFAULT NULL,
  period int(11) NOT NULL DEFAULT 1,
  period_type varchar(20) DEFAULT 'months',
  limit_cycles tinyint(1) DEFAULT 0,
  limit_cycles_num int(11) DEFAULT 0,
  limit_cycles_action varchar(255) DEFAULT 'expire',
  limit_cycles_expires_after int(11) DEFAULT 1,
  limit_cycles_expires_type varchar(20) DEFAULT 'days',
  prorated_trial tinyint(1) DEFAULT 0,
  trial tinyint(1) DEFAULT 0,
  trial_days int(11) DEFAULT 0,
  trial_amount decimal(16,2) DEFAULT 0,
  trial_tax_amount decimal(16,2) DEFAULT 0,
  trial_total decimal(16,2) DEFAULT 0,
  status varchar(20) DEFAULT 'pending',
  created_at datetime NOT NULL,
  cc_last4 varchar(10) DEFAULT '4242',
  cc_exp_month varchar(10) DEFAULT '01',
  cc_exp_year varchar(10) DEFAULT '1999',
  token varchar(64) DEFAULT NULL,
  order_id bigint(20) DEFAULT 0,
  PRIMARY KEY (id),
  KEY user_id (user_id), KEY product_id (product_id), KEY subscr_id (subscr_id(191)), KEY status (status)
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;

CREATE TABLE IF NOT EXISTS {prefix}mepr_members (
  id bigint(20) NOT NULL auto_increment,
  user_id bigint(20) NOT NULL,
  first_txn_id bigint(20) DEFAULT 0,
  latest_txn_id bigint(20) DEFAULT 0,
  txn_count bigint(20) DEFAULT 0,
  memberships varchar(255) DEFAULT '',
  last_login_id bigint(20) DEFAULT 0,
  login_count bigint(20) DEFAULT 0,
  total_spent decimal(16,2) DEFAULT 0,
  created_at datetime DEFAULT NULL,
  updated_at datetime DEFAULT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY user_id (user_id)
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;

CREATE TABLE IF NOT EXISTS {prefix}mepr_events (
  id bigint(20) NOT NULL auto_increment,
  event varchar(255) NOT NULL DEFAULT 'login',
  args varchar(255) DEFAULT NULL,
  evt_id bigint(20) NOT NULL,
  evt_id_type varchar(255) NOT NULL,
  created_at datetime NOT NULL,
  PRIMARY KEY (id),
  KEY event (event(191)), KEY evt_id (evt_id), KEY evt_id_type (evt_id_type(191)), KEY created_at (created_at)
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;

CREATE TABLE IF NOT EXISTS {prefix}mepr_rule_access_conditions (
  id bigint(20) NOT NULL auto_increment,
  rule_id bigint(20) NOT NULL,
  access_type varchar(20) NOT NULL,
  access_operator varchar(20) NOT NULL,
  access_condition varchar(60) NOT NULL,
  PRIMARY KEY (id),
  KEY rule_id (rule_id)
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;

CREATE TABLE IF NOT EXISTS {prefix}mepr_orders (
  id bigint(20) NOT NULL auto_increment,
  user_id bigint(20) NOT NULL,
  primary_transaction_id bigint(20) NOT NULL DEFAULT 0,
  trans_num varchar(255) DEFAULT NULL,
  status varchar(255) DEFAULT 'pending',
  gateway varchar(255) DEFAULT NULL,
  created_at datetime DEFAULT NULL,
  PRIMARY KEY (id),
  KEY user_id (user_id)
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;

CREATE TABLE IF NOT EXISTS {prefix}mepr_transaction_meta (
  id bigint(20) NOT NULL auto_increment,
  transaction_id bigint(20) NOT NULL,
  meta_key varchar(255) DEFAULT NULL,
  meta_value longtext DEFAULT NULL,
  PRIMARY KEY (id),
  KEY transaction_id (transaction_id), KEY meta_key (meta_key(191))
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;

CREATE TABLE IF NOT EXISTS {prefix}mepr_subscription_meta (
  id bigint(20) NOT NULL auto_increment,
  subscription_id bigint(20) NOT NULL,
  meta_key varchar(255) DEFAULT NULL,
  meta_value longtext DEFAULT NULL,
  PRIMARY KEY (id),
  KEY subscription_id (subscription_id), KEY meta_key (meta_key(191))
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;

CREATE TABLE IF NOT EXISTS {prefix}mepr_order_meta (
  id bigint(20) NOT NULL auto_increment,
  order_id bigint(20) NOT NULL,
  meta_key varchar(255) DEFAULT NULL,
  meta_value longtext DEFAULT NULL,
  PRIMARY KEY (id),
  KEY order_id (order_id)
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;

CREATE TABLE IF NOT EXISTS {prefix}mepr_corporate_accounts (
  id bigint(20) NOT NULL auto_increment,
  user_id bigint(20) NOT NULL,
  obj_id bigint(20) NOT NULL,
  obj_type varchar(30) NOT NULL,
  num_sub_accounts int(11) NOT NULL DEFAULT 0,
  status varchar(20) DEFAULT 'enabled',
  uuid varchar(36) NOT NULL,
  PRIMARY KEY (id),
  KEY user_id (user_id)
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci;
