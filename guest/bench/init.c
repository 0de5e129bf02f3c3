/* init: the first process of the benchmark guest. The kernel passes it, after `--` on its command
 * line, the programs to run, each as `name` or `name/divisor`. It marks each one's beginning and
 * end on the console, where the host takes the time, and powers the machine off.
 *
 *   @init            the first line: user space has begun
 *   @begin name      the program is about to start
 *   @end name STATUS NANOSECONDS   its exit status (128 + n for signal n), and the guest's own time
 *   @done            all have run
 *
 * Lines of the programs come between, on the same console.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static int run(const char *name, char *divisor)
{
    char path[64];
    char *arguments[] = {path, divisor, NULL};
    int status;
    snprintf(path, sizeof path, "/bench/%s", name);
    pid_t child = vfork();
    if (child == 0) {
        execv(path, arguments);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("@init\n");
    for (int i = 1; i < argc; i++) {
        char *divisor = strchr(argv[i], '/');
        if (divisor)
            *divisor++ = '\0';
        printf("@begin %s\n", argv[i]);
        long long start = now();
        int status = run(argv[i], divisor);
        printf("@end %s %d %lld\n", argv[i], status, now() - start);
    }
    printf("@done\n");
    sync();
    if (getpid() == 1)
        reboot(RB_POWER_OFF);
    return 0;
}
