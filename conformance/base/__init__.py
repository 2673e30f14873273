"""What passes between all rooms: calls and answers, arrays, records, errors."""
