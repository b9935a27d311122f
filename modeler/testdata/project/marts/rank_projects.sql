{{ config(materialized='table') }}
select project_id, content_length, rank() over (order by content_length desc) as place from {{ ref('dim_projects') }}
