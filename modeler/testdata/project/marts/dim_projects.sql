{{ config(unique_key='project_id', meta={'refresh_by': 'project_id'}) }}
select
    p.project_id,
    count(distinct p.session_id) as sessions,
    sum(p.content_length)::bigint as content_length,
    coalesce(any_value(o.owned), 0) as owned
from {{ ref('fct_docs') }} as p
left join (select project_id, count(*) as owned from {{ ref('dim_sessions') }} group by all) as o using (project_id)
group by all
