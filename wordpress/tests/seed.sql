-- A large club by plain SQL: 50,000 members, 200,000 transactions, 35,000 subscriptions. Ids begin at 1000.
INSERT INTO wp_users (ID, user_login, user_pass, user_nicename, user_email, user_registered, display_name)
  SELECT 999 + seq, CONCAT('member', seq), 'x', CONCAT('member', seq), CONCAT('member', seq, '@lakeside.example'),
    '2024-01-01' + INTERVAL seq MINUTE, CONCAT('Member ', seq) FROM seq_1_to_50000;
INSERT INTO wp_usermeta (user_id, meta_key, meta_value)
  SELECT 999 + s.seq, m.k, m.v FROM seq_1_to_50000 s JOIN (
    SELECT 'first_name' AS k, 'Member' AS v UNION ALL SELECT 'last_name', 'Berg' UNION ALL SELECT 'nickname', 'm' UNION ALL
    SELECT 'description', '' UNION ALL SELECT 'rich_editing', 'true' UNION ALL SELECT 'comment_shortcuts', 'false' UNION ALL
    SELECT 'admin_color', 'fresh' UNION ALL SELECT 'show_admin_bar_front', 'true' UNION ALL SELECT 'locale', '' UNION ALL
    SELECT 'wp_capabilities', 'a:1:{s:10:"subscriber";b:1;}' UNION ALL SELECT 'wp_user_level', '0' UNION ALL
    SELECT 'session_tokens', 'a:0:{}' UNION ALL SELECT 'mepr_member_number', 'A-1' UNION ALL
    SELECT 'mepr-address-city', 'Lakeside' UNION ALL SELECT 'mepr-address-country', 'US' UNION ALL
    SELECT '_mepr_stripe_customer_id_rk3f9a-1c2_USD', 'cus_x') m;
INSERT INTO wp_mepr_subscriptions (id, user_id, product_id, subscr_id, price, total, status, gateway, created_at)
  SELECT 999 + seq, 999 + seq, 55, CONCAT('sub_', seq), 29, 29, 'active', 'rk3f9a-1c2', '2024-01-01' + INTERVAL seq MINUTE
  FROM seq_1_to_35000;
INSERT INTO wp_mepr_transactions (id, amount, total, user_id, product_id, trans_num, status, txn_type, gateway,
    subscription_id, created_at, expires_at)
  SELECT 999 + seq, 29, 29, 1000 + seq % 50000, 55, CONCAT('ch_', seq), 'complete', 'payment', 'rk3f9a-1c2',
    1000 + seq % 35000, '2024-01-01' + INTERVAL seq MINUTE, '2024-02-01' + INTERVAL seq MINUTE FROM seq_1_to_200000;
INSERT INTO wp_mepr_events (id, event, evt_id, evt_id_type, created_at)
  SELECT 999 + seq, 'transaction-completed', 1000 + seq, 'transactions', '2024-01-01' + INTERVAL seq MINUTE FROM seq_1_to_100000;
INSERT INTO wp_mepr_members (user_id, last_login_id, login_count) SELECT 999 + seq, 999 + seq, 1 FROM seq_1_to_50000;
ANALYZE TABLE wp_users, wp_usermeta, wp_mepr_transactions, wp_mepr_subscriptions, wp_mepr_events, wp_mepr_members;
