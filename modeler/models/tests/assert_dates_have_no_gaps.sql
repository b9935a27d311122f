-- dim_date has every day between two that are less than ten years apart.
with neighbours as (
    select date_key, lead(date_key) over (order by date_key) as next_date
    from {{ ref('dim_date') }}
)

select date_key, next_date
from neighbours
where next_date - date_key between 2 and 3660
