"""What commands do: functions over records and bus, without a terminal's options."""
