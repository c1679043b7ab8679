# Settings of `make debug`; commands for Jjok's own structures are the Python files in this folder, which are loaded after it.
set confirm off
set pagination off
set print pretty on
set disassemble-next-line auto

# Leaving gdb ends the machine: detaching would let it run on unseen, with gdb waiting for it.
define hook-quit
	python if gdb.selected_inferior().pid: gdb.execute("kill")
end
