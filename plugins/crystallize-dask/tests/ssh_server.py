"""A server for SSH on loopback: prints its port, lets in who has the password, runs commands."""

from __future__ import annotations

import asyncio

import asyncssh
import psutil


class Server(asyncssh.SSHServer):
    """Lets in who has the password."""

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return password == "secret"


async def shell(process: asyncssh.SSHServerProcess[str]) -> None:
    """Run what is asked for, as a login shell would, until nobody listens any more."""
    assert process.command is not None
    command = await asyncio.create_subprocess_shell(
        process.command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await process.redirect(stdout=command.stdout, stderr=command.stderr)
    ended = asyncio.ensure_future(command.wait())
    closed = asyncio.ensure_future(process.channel.wait_closed())
    await asyncio.wait({ended, closed}, return_when=asyncio.FIRST_COMPLETED)
    if ended.done():
        process.exit(ended.result())
    else:
        for child in psutil.Process(command.pid).children(recursive=True):
            child.terminate()
        command.terminate()


async def main() -> None:
    """Serve until this program is ended."""
    server = await asyncssh.create_server(
        Server,
        "127.0.0.1",
        0,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        process_factory=shell,
    )
    print(server.get_port(), flush=True)
    await server.wait_closed()


asyncio.run(main())
