"""Digital lines between the station and its machine: a trigger in; a lamp and the answers out."""
