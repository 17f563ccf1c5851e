"""`/users/EMAIL/addresses`, `/addresses/ADDRESS` and `/users/EMAIL/drop`: by which addresses somebody is known."""

from __future__ import annotations

from starlette.responses import Response

from maild.core import addresses, delivers_to, drops, verifying
from maild.core.addresses import AddressAdded
from maild.core.drops import DropView
from maild.core.people_views import AddressView, UserView
from maild.core.verifying import LinkMailed
from maild.faces.api.calls import Asked, Told
from maild.faces.api.parts import part
from maild.faces.api.shapes import Addresses
from maild.faces.api.words import Account, Address, Asking, Code, Email, Line, NewAddress

routes = part("addresses")


class AddressSettings(Asking):
    """What is to be changed of an address."""

    delivers_to: Line
    """The inbox of another address in which mail to this one ends; none: its own."""


@routes.get("/users/{email:path}/addresses", response_model=Addresses)
async def list_addresses(call: Asked, email: Email) -> Response:
    """List every address that a user has or had, oldest first."""
    return await call.answer(
        lambda app, by: {"addresses": addresses.list_addresses(app, email, by=by)}
    )


@routes.post("/users/{email:path}/addresses", status_code=201, response_model=AddressAdded)
async def add_address(call: Asked, email: Email, new: NewAddress) -> Response:
    """Give a user another address: an alias, or a sends-as address."""
    return await call.answer(
        lambda app, by: Told(
            addresses.add_address(
                app, email, new.address, sends_as=new.sends_as, confirm=new.confirm, by=by
            ),
            201,
        )
    )


@routes.delete("/addresses/{address:path}", response_model=AddressView)
async def remove_address(call: Asked, address: Address) -> Response:
    """End a binding: it becomes historic, and explains old mail."""
    return await call.answer(lambda app, by: addresses.remove_address(app, address, by=by))


@routes.patch("/addresses/{address:path}", response_model=AddressView)
async def set_address(call: Asked, address: Address, changes: AddressSettings) -> Response:
    """Record that mail to an address ends in another one's inbox."""
    asked = {"delivers_to": changes.delivers_to}
    return await call.answer(lambda app, by: delivers_to.set_address(app, address, asked, by=by))


@routes.post("/addresses/{address:path}/primary", response_model=UserView)
async def make_primary(call: Asked, address: Address) -> Response:
    """Make a confirmed alias the primary address."""
    return await call.answer(lambda app, by: addresses.make_primary(app, address, by=by))


@routes.post("/addresses/{address:path}/verify", status_code=202, response_model=LinkMailed)
async def send_verification(call: Asked, address: Address) -> Response:
    """Mail a new link to an address that waits to be confirmed."""
    return await call.answer(
        lambda app, by: Told(verifying.send_verification(app, address, by=by), 202)
    )


@routes.post("/addresses/{address:path}/confirm", response_model=AddressView)
async def confirm(call: Asked, address: Address, asked: Code) -> Response:
    """Confirm an address by the code that was mailed to it."""
    return await call.answer(
        lambda app, by: verifying.confirm_by_code(app, address, asked.code, by=by)
    )


@routes.get("/users/{email:path}/drop", response_model=DropView)
async def show_drop(call: Asked, email: Email, account: Account = None) -> Response:
    """Tell a member's drop addresses, to the member and to admins alone; the first time they are made."""
    return await call.answer(lambda app, by: drops.show_drop(app, email, account=account, by=by))


@routes.post("/users/{email:path}/drop/rotate", response_model=DropView)
async def rotate_drop(call: Asked, email: Email, account: Account = None) -> Response:
    """Make a member a new drop address; the old one is refused as replaced for 30 days."""
    return await call.answer(lambda app, by: drops.rotate_drop(app, email, account=account, by=by))
