package python

// options are the user's choices among what a project offers.
type options struct {
	// extras and groups are installed besides the dependencies themselves.
	extras, groups []string
}
