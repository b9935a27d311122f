-- page: overview
-- title: First and last day
-- about: Between which days there is anything at all, whatever the filters say: where a page jumps to.
-- models: marts.agg_daily_summary
SELECT min(date_key) AS first_day, max(date_key) AS last_day, count(*) AS days
FROM marts.agg_daily_summary
