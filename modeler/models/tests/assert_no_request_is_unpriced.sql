{{ config(severity='warn') }}

-- A request without a price is missing from every sum: add its model to the file that PRICES names.
select model_id, count(*) as requests, sum(total_tokens) as total_tokens
from {{ ref('fct_api_requests') }}
where not is_priced
group by model_id
