"""Public networks, written anew from their descriptions. Their weights are the user's: none ship with ictal."""
