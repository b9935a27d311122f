-- page: overview
-- title: First and last day
-- about: Between which days there is anything at all, whatever the filters say: where a page jumps to. zone is the report time zone, whose days they are.
-- about: Days that have not begun are left out unless there are no others: they are of records whose clock is wrong, and are shown when they are asked for.
-- models: marts.agg_daily_summary
WITH begun AS (
    SELECT date_key, date_key <= timezone($zone, now() + INTERVAL 5 MINUTE)::DATE AS is_begun FROM marts.agg_daily_summary
)
SELECT coalesce(min(date_key) FILTER (WHERE is_begun), min(date_key)) AS first_day, coalesce(max(date_key) FILTER (WHERE is_begun), max(date_key)) AS last_day,
    count(*) AS days, $zone AS zone
FROM begun
