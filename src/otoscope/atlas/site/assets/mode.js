/* Says where records come from; a server answers with its own. */
otoscope.mode = "static";
