-- The label of each record's link group: at first its own number.
create table node_label as select node, node as label from node
