select * from {{ ref('fct_docs') }} where content_length < 0
