{{ config(unique_key='session_id', meta={'refresh_by': 'session_id'}) }}
select
    fct_docs.session_id,
    arg_min(fct_docs.project_id, fct_docs.position) as project_id,
    count(*) as records,
    sum(fct_docs.content_length)::bigint as content_length,
    min(fct_docs.date_key) as first_date
from {{ ref('fct_docs') }}
group by all
