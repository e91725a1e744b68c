/* The least that any launcher must do: bind a display's addresses, start server and client at once,
 * end when the client has ended. For scripts/bench only; it checks nothing and has no cookie.
 * usage: floor N CLIENT SERVER [ARGUMENTS] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

static int listen_at(const char *number, int abstract) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length = snprintf(address.sun_path + abstract, sizeof address.sun_path - 1,
			      "/tmp/.X11-unix/X%s", number);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (!abstract) unlink(address.sun_path);
	if (bind(fd, (void *)&address, sizeof(sa_family_t) + length + 1) || listen(fd, 16)) {
		perror("floor: bind");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv) {
	char display[16], pid_text[16];
	int status;
	if (argc < 4) return 2;
	int path = listen_at(argv[1], 0), name = listen_at(argv[1], 1);
	snprintf(display, sizeof display, ":%s", argv[1]);
	pid_t server = fork();
	if (!server) {
		dup2(path, 3);
		dup2(name, 4);
		snprintf(pid_text, sizeof pid_text, "%d", getpid());
		setenv("LISTEN_PID", pid_text, 1);
		setenv("LISTEN_FDS", "2", 1);
		argv[2] = argv[3];
		argv[3] = display;  /* SERVER :N ARGUMENTS, in the place of CLIENT SERVER ARGUMENTS */
		execv(argv[2], argv + 2);
		_exit(127);
	}
	pid_t client = fork();
	if (!client) {
		setenv("DISPLAY", display, 1);
		unsetenv("XAUTHORITY");
		execl(argv[2], argv[2], NULL);
		_exit(127);
	}
	waitpid(client, &status, 0);
	kill(server, SIGTERM);
	waitpid(server, NULL, 0);
	char socket_path[64];
	snprintf(socket_path, sizeof socket_path, "/tmp/.X11-unix/X%s", argv[1]);
	unlink(socket_path);
	return WEXITSTATUS(status);
}
