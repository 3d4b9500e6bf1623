-- The label of the link group of each record, initially the number of the record.
create table node_label as select node, node as label from node
