-- One model and size of prompt has one price a day, in the list and among one's own.
select a.origin, a.model_id, a.prompt_min, a.effective_from, b.effective_from as also_from
from {{ ref('dim_model_prices') }} as a
join {{ ref('dim_model_prices') }} as b
    on b.origin = a.origin
    and b.model_id = a.model_id
    and b.prompt_min = a.prompt_min
    and b.price_key > a.price_key
where
    coalesce(a.effective_from, date '0001-01-01') < coalesce(b.effective_to, date '9999-12-31')
    and coalesce(b.effective_from, date '0001-01-01') < coalesce(a.effective_to, date '9999-12-31')
