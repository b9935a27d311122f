-- page: pipeline
-- title: Tests
-- about: The newest result of each data test, failures first.
-- models: meta.test_results
SELECT status, name, model, column_name, kind, severity, failures, message, seconds, tested_at
FROM meta.test_results
ORDER BY CASE status WHEN 'error' THEN 0 WHEN 'fail' THEN 1 WHEN 'warn' THEN 2 ELSE 3 END, name
