{{ config(materialized='table', schema='marts') }}

-- One row per day from the first to the last with activity, without gaps. A gap of more than ten years stays one: what lies
-- behind it is a clock that was wrong, and nobody wants a row for every day since 1970.
with dates as (
    select date_key, lead(date_key) over (order by date_key) as next_date
    from {{ ref('agg_daily_summary') }}
),

days as (
    select unnest(
        case
            when next_date - date_key <= 3660 then range(date_key::timestamp, next_date::timestamp, interval 1 day)
            else [date_key::timestamp]
        end
    )::date as date_key
    from dates
),

final as (
    select
        date_key,
        year(date_key) as year,
        month(date_key) as month,
        week(date_key) as week,
        day(date_key) as day,
        dayname(date_key) as day_name,
        dayofweek(date_key) in (0, 6) as is_weekend,

        -- names and numbers
        isoyear(date_key) as iso_year,
        quarter(date_key) as quarter,
        dayofweek(date_key) as day_of_week,
        isodow(date_key) as iso_day_of_week,
        dayofyear(date_key) as day_of_year,
        monthname(date_key) as month_name,
        strftime(date_key, '%Y-%m') as year_month,
        isoyear(date_key) || '-W' || lpad(week(date_key)::varchar, 2, '0') as year_week,

        -- bounds
        date_trunc('week', date_key)::date as week_start,
        (date_trunc('week', date_key) + interval 6 day)::date as week_end,
        date_trunc('month', date_key)::date as month_start,
        last_day(date_key) as month_end,
        date_trunc('quarter', date_key)::date as quarter_start,
        (date_trunc('quarter', date_key) + interval 3 month - interval 1 day)::date as quarter_end
    from days
)

select * from final
